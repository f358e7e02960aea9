//! Documents whose unknown keys are kept: what is known of them, for the OpenAPI document.

use edge::wire::FreeJson;
use serde_json::Value;
use std::borrow::Cow;
use utoipa::openapi::schema::{AdditionalProperties, ArrayBuilder, ObjectBuilder, SchemaType, Type};
use utoipa::openapi::{Object, Ref, RefOr, Schema};
use utoipa::{PartialSchema, ToSchema};

fn typed(kind: Type, description: &str) -> ObjectBuilder {
    ObjectBuilder::new().schema_type(kind).description(Some(description))
}

fn text(description: &str) -> ObjectBuilder {
    typed(Type::String, description)
}

fn flag(description: &str) -> Object {
    typed(Type::Boolean, description).default(Some(Value::Bool(false))).build()
}

/// One of these types; any when there are none.
fn loose(kinds: &[Type], description: &str) -> ObjectBuilder {
    let kinds = if kinds.is_empty() { SchemaType::AnyValue } else { SchemaType::from_iter(kinds.iter().cloned()) };
    ObjectBuilder::new().schema_type(kinds).description(Some(description))
}

/// What is read as a text.
const SCALAR: [Type; 4] = [Type::String, Type::Number, Type::Boolean, Type::Null];

/// A flag, which may also be written as a text; an expression is evaluated first, and nothing is its default.
fn said(description: &str) -> ObjectBuilder {
    let word = "^(\\s*([Tt][Rr][Uu][Ee]|[Ff][Aa][Ll][Ss][Ee])\\s*)?$|\\$\\{";
    loose(&[Type::Boolean, Type::String, Type::Null], description).pattern(Some(word))
}

fn open(description: &str) -> ObjectBuilder {
    let any = AdditionalProperties::RefOr(RefOr::Ref(Ref::from_schema_name(FreeJson::name())));
    typed(Type::Object, description).additional_properties(Some(any))
}

/// A list that may also be `null`, which means that it is empty.
fn list(of: ObjectBuilder, description: &str) -> Schema {
    let items = RefOr::T(Schema::Object(of.build()));
    let kinds = SchemaType::from_iter([Type::Array, Type::Null]);
    Schema::Array(ArrayBuilder::new().schema_type(kinds).items(items).description(Some(description)).build())
}

/// An application: every field of the form, and any other key.
pub(crate) struct ApplicationDocument;

impl PartialSchema for ApplicationDocument {
    fn schema() -> RefOr<Schema> {
        let name = typed(Type::String, "Unique; compared ignoring case.").pattern(Some("^[A-Za-z][A-Za-z0-9-]*$")).max_length(Some(63));
        let providers = typed(Type::String, "Comma list; `kubernetes` is what is served.")
            .pattern(Some("^ *[A-Za-z0-9_-]+ *(, *[A-Za-z0-9_-]+ *)*$"))
            .default(Some(Value::String("kubernetes".to_owned())));
        let port = typed(Type::Integer, "Builds links to instances.").minimum(Some(0)).maximum(Some(65_535)).default(Some(80.into()));
        let groups = |what: &str| {
            let name = RefOr::T(Schema::Object(text("A group's or user's name.").build()));
            Schema::Array(ArrayBuilder::new().items(name).max_items(Some(100)).description(Some(what)).build())
        };
        let permissions = typed(Type::Object, "Which groups may do what; an empty list leaves it to the role.")
            .property("READ", groups("See it."))
            .property("WRITE", groups("Change it and its pipelines."))
            .property("EXECUTE", groups("Start, judge and cancel its executions."));
        let object = open("An application; keys that are not known are kept.")
            .property("name", name)
            .property("description", text("For people.").max_length(Some(4_096)))
            .property("email", text("The owner's.").max_length(Some(255)))
            .property("cloudProviders", providers)
            .property("platformHealthOnly", flag("Judge instances by the cloud's own health only."))
            .property("platformHealthOnlyShowOverride", flag("Offer a switch for the above in each operation."))
            .property("instancePort", port)
            .property("enableRestartRunningExecutions", flag("A stage may be restarted while its execution is RUNNING."))
            .property("enableRerunActiveExecutions", flag("An active execution may be run again."))
            .property("permissions", permissions)
            .required("name");
        RefOr::T(Schema::Object(object.build()))
    }
}

impl ToSchema for ApplicationDocument {
    fn name() -> Cow<'static, str> {
        Cow::Borrowed("Application")
    }

    fn schemas(schemas: &mut Vec<(String, RefOr<Schema>)>) {
        schemas.push((FreeJson::name().into_owned(), FreeJson::schema()));
    }
}

const NAME: &str = "Unique within the application, ignoring case.";

/// A pipeline in Spinnaker's JSON.
pub(crate) struct PipelineDocument;

impl PartialSchema for PipelineDocument {
    fn schema() -> RefOr<Schema> {
        let ref_id = || loose(&[Type::String, Type::Number, Type::Null], "Unique within the pipeline; give one to all stages or to none.");
        let stage = open("A stage: settings of its type beside these.")
            .property("refId", ref_id())
            .property("type", text("Which stage type.").min_length(Some(1)))
            .property("name", loose(&SCALAR, "Shown, and the key for look-ups."))
            .property("requisiteStageRefIds", loose(&[], "Stages that must end well before it starts: a list of refIds."))
            .property("skippable", said("People may skip it, whatever its type; `true`, or the text."))
            .property(
                "restrictExecutionDuringTimeWindow",
                said("It starts only within `restrictedExecutionWindow`: `whitelist`, `days` (1 = Sunday), `jitter`."),
            )
            .required("type");
        let trigger = open("A trigger: settings of its type beside these.")
            .property("type", loose(&[Type::String, Type::Number, Type::Boolean], "`docker`, …; what is none is kept.").min_length(Some(1)))
            .property("enabled", said("Off, it never fires; `false`, or the text.").default(Some(Value::Bool(true))))
            .property("id", loose(&SCALAR, "Made by the server."))
            .required("type");
        let parameter = open("A parameter.").property("name", text("Key under `parameters`.").min_length(Some(1))).required("name");
        let artifact =
            open("An expected artifact.").property("id", text("Named by triggers and stages.").min_length(Some(1))).required("id");
        let most =
            loose(&[Type::Integer, Type::String, Type::Null], "So many run at once where `limitConcurrent` is off; 0 for any number.")
                .minimum(Some(0))
                .maximum(Some(u32::MAX))
                .pattern(Some("^([0-9]{1,9})?$"));
        let zone = loose(&[Type::String, Type::Null], "Of its execution windows, as the IANA database names it; otherwise the server's.");
        let ours = open("What Spinnaker has no field for.")
            .schema_type(SchemaType::from_iter([Type::Object, Type::Null]))
            .property("timeZone", zone);
        let object = open("A pipeline as Spinnaker writes it; keys that are not known are kept.")
            .property("application", loose(&[Type::String, Type::Null], "Owning application; the address says it when it is left out."))
            .property("name", loose(&[Type::String, Type::Null], NAME).pattern(Some("\\S")).max_length(Some(255)))
            .property("id", loose(&[], "Made by the server."))
            .property("index", loose(&[], "Place in lists, a whole number."))
            .property("disabled", said("Any start is refused; `true`, or the text."))
            .property("limitConcurrent", said("One execution runs at once, others wait; `true`, or the text."))
            .property("maxConcurrentExecutions", most)
            .property(
                "keepWaitingPipelines",
                said("The oldest that waits is next and all of them run; otherwise the newest, and it takes the place of the others."),
            )
            .property("waybill", ours)
            .property("stages", list(stage, "The graph's nodes."))
            .property("triggers", list(trigger, "What starts it."))
            .property("parameterConfig", list(parameter, "What may or must be given to start it."))
            .property("expectedArtifacts", list(artifact, "What must be bound to start it."));
        RefOr::T(Schema::Object(object.build()))
    }
}

impl ToSchema for PipelineDocument {
    fn name() -> Cow<'static, str> {
        Cow::Borrowed("Pipeline")
    }

    fn schemas(schemas: &mut Vec<(String, RefOr<Schema>)>) {
        schemas.push((FreeJson::name().into_owned(), FreeJson::schema()));
    }
}

/// The same where no address says its name. What else it may say is told with [`PipelineDocument`].
pub(crate) struct NamedPipelineDocument;

impl PartialSchema for NamedPipelineDocument {
    fn schema() -> RefOr<Schema> {
        let object = open("A pipeline as Spinnaker writes it, `Pipeline`, with its name; keys that are not known are kept.")
            .property("name", text(NAME).pattern(Some("\\S")).max_length(Some(255)))
            .required("name");
        RefOr::T(Schema::Object(object.build()))
    }
}

impl ToSchema for NamedPipelineDocument {
    fn name() -> Cow<'static, str> {
        Cow::Borrowed("NamedPipeline")
    }

    fn schemas(schemas: &mut Vec<(String, RefOr<Schema>)>) {
        PipelineDocument::schemas(schemas);
    }
}
