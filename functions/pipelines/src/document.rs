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

fn text(description: &str, bytes_max: usize) -> Object {
    typed(Type::String, description).max_length(Some(bytes_max)).build()
}

fn flag(description: &str) -> Object {
    typed(Type::Boolean, description).default(Some(Value::Bool(false))).build()
}

fn open(description: &str) -> ObjectBuilder {
    let any = AdditionalProperties::RefOr(RefOr::Ref(Ref::from_schema_name(FreeJson::name())));
    typed(Type::Object, description).additional_properties(Some(any))
}

fn list(of: Object, description: &str) -> Schema {
    Schema::Array(ArrayBuilder::new().items(RefOr::T(Schema::Object(of))).description(Some(description)).build())
}

fn loose(kinds: &[Type], description: &str) -> Object {
    ObjectBuilder::new().schema_type(SchemaType::from_iter(kinds.iter().cloned())).description(Some(description)).build()
}

/// An application: every field of the form, and any other key.
pub(crate) struct ApplicationDocument;

impl PartialSchema for ApplicationDocument {
    fn schema() -> RefOr<Schema> {
        let name = typed(Type::String, "Unique; compared ignoring case.").pattern(Some("^[A-Za-z][A-Za-z0-9-]*$")).max_length(Some(63));
        let providers = typed(Type::String, "Comma list; `kubernetes` is what is served.")
            .pattern(Some("^ *[A-Za-z0-9_-]+ *(, *[A-Za-z0-9_-]+ *)*$"))
            .max_length(Some(1_000))
            .default(Some(Value::String("kubernetes".to_owned())));
        let port = typed(Type::Integer, "Builds links to instances.").minimum(Some(0)).maximum(Some(65_535)).default(Some(80.into()));
        let groups = |what: &str| {
            let name = RefOr::T(Schema::Object(typed(Type::String, "A group's or user's name.").max_length(Some(255)).build()));
            Schema::Array(ArrayBuilder::new().items(name).max_items(Some(100)).description(Some(what)).build())
        };
        let permissions = typed(Type::Object, "Which groups may do what; an empty list leaves it to the role.")
            .property("READ", groups("See it."))
            .property("WRITE", groups("Change it and its pipelines."))
            .property("EXECUTE", groups("Start, judge and cancel its executions."));
        let object = open("An application; keys that are not known are kept.")
            .property("name", name)
            .property("description", text("For people.", 4_096))
            .property("email", text("The owner's.", 255))
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

/// A pipeline in Spinnaker's JSON.
pub(crate) struct PipelineDocument;

impl PartialSchema for PipelineDocument {
    fn schema() -> RefOr<Schema> {
        let stage = open("A stage: settings of its type beside these.")
            .property("refId", loose(&[Type::String, Type::Integer], "Unique within the pipeline; give one to all stages or to none."))
            .property("type", text("Which stage type.", 255))
            .property("name", text("Shown, and the key for look-ups.", 255))
            .property(
                "requisiteStageRefIds",
                list(loose(&[Type::String, Type::Integer], "A refId."), "Stages that must end well before it starts."),
            );
        let trigger = open("A trigger: settings of its type beside these.")
            .property("type", text("`docker`, …", 255))
            .property("enabled", typed(Type::Boolean, "Off, it never fires.").default(Some(Value::Bool(true))).build())
            .property("id", text("Made by the server.", 63));
        let object = open("A pipeline as Spinnaker writes it; keys that are not known are kept.")
            .property("application", text("Owning application; the address says it when it is left out.", 63))
            .property("name", text("Unique within the application, ignoring case.", 255))
            .property("id", text("Made by the server.", 63))
            .property("index", loose(&[Type::Integer], "Place in lists."))
            .property("disabled", loose(&[Type::Boolean, Type::String], "Any start is refused."))
            .property("stages", list(stage.build(), "The graph's nodes."))
            .property("triggers", list(trigger.build(), "What starts it."))
            .property("parameterConfig", list(open("A parameter.").build(), "What may or must be given to start it."))
            .property("expectedArtifacts", list(open("An expected artifact.").build(), "What must be bound to start it."));
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
