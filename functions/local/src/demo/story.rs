//! The story itself, a function for each thing that somebody does in it.

use super::Options;
use super::documents::{self, APPLICATION, EXPECTED, Names, PIPELINE, PROJECT};
use super::registry::Control;
use super::teller::Teller;
use crate::api::{Answer, Api, Call, Expect, Patience, Topics};
use crate::commands::account::checked;
use crate::commands::token::{self, Role};
use crate::commands::{execution, pipeline};
use crate::failure::Failure;
use crate::files;
use crate::session::fresh_key;
use crate::time;
use crate::views::{self, list, number, text};
use serde_json::{Value, json};
use std::time::Duration;

const CLOUD_ACCOUNT: &str = "demo-cluster";
const REGISTRY_ACCOUNT: &str = "demo-registry";
const DEVELOPER: &str = "dana";
/// A push must have become an order by then.
const ORDER_MAX: Duration = Duration::from_secs(60);

/// Who plays with what.
pub(crate) struct Story<'a> {
    options: &'a Options,
    operator: &'a Api,
    patience: Patience,
}

impl<'a> Story<'a> {
    pub(super) fn new(options: &'a Options, operator: &'a Api, patience: Patience) -> Self {
        Self { options, operator, patience }
    }

    /// Everything, from the server to the second order.
    pub(crate) async fn play(&self, teller: &mut Teller) -> Result<(), Failure> {
        let control = Control::new(&self.options.registry_control)?;
        self.server(teller).await?;
        let registry = self.registry(teller).await?;
        self.cluster(teller).await?;
        self.application(teller).await?;
        self.pipeline(teller, &registry).await?;
        self.hook(teller, &control).await?;
        let (version, candidate) = self.versions(&registry).await?;
        let first = Box::pin(self.push(teller, &control, &version)).await?;
        let second = Box::pin(self.by_hand(teller, &control, &candidate)).await?;
        teller.step("The end")?;
        teller.says(&format!("release order {PROJECT}/{first}, by a push: SUCCEEDED"))?;
        teller.says(&format!("release order {PROJECT}/{second}, by hand: SUCCEEDED"))
    }

    async fn server(&self, teller: &mut Teller) -> Result<(), Failure> {
        teller.step("The server")?;
        teller.asks("GET", self.operator, &["version"])?;
        let version = self.operator.send(Call::get(&["version"])).await?.body;
        let me = self.operator.send(Call::get(&["api", "me"])).await?.body;
        teller.says(&format!("Waybill {}, as {} ({})", text(&version, "version"), text(&me, "name"), text(&me, "role")))
    }

    /// Reads a thing, or makes it.
    async fn ensure(&self, teller: &mut Teller, path: &[&str], body: &Value) -> Result<Answer, Failure> {
        if let Some(there) = self.operator.find(path).await? {
            teller.asks("GET", self.operator, path)?;
            teller.says("is there already")?;
            return Ok(there);
        }
        let above = path.get(..path.len().saturating_sub(1)).unwrap_or_default();
        teller.asks("POST", self.operator, above)?;
        let key = fresh_key()?;
        self.operator.send(Call::post(above, body).key(&key)).await
    }

    /// Waits for an account's check.
    async fn check(&self, teller: &mut Teller, kind: &str, name: &str) -> Result<(), Failure> {
        let begun = time::now_ms();
        teller.asks("GET", self.operator, &["api", "accounts", kind, name])?;
        let account = checked(self.operator, self.patience, kind, name).await?;
        teller.says(&views::account(&account))?;
        if text(&account, "state") != "ready" {
            return Err(Failure::Server(format!("{kind} account {name} cannot be used")));
        }
        teller.says(&format!("ready after {}", time::duration(time::now_ms() - begun)))
    }

    /// The account of the registry, whose name has the port when another registry had the plain name before.
    async fn registry(&self, teller: &mut Teller) -> Result<String, Failure> {
        teller.step("The registry is registered")?;
        let address = &self.options.registry;
        let there = self.operator.find(&["api", "accounts", "registry", REGISTRY_ACCOUNT]).await?;
        let name = match there {
            Some(other) if text(&other.body, "address") != address => {
                format!("{REGISTRY_ACCOUNT}-{}", address.rsplit_once(':').map_or("0", |(_, port)| port))
            }
            _ => REGISTRY_ACCOUNT.to_owned(),
        };
        let body = json!({"name": name, "address": address, "credentials": {"type": "anonymous"}});
        self.ensure(teller, &["api", "accounts", "registry", &name], &body).await?;
        self.check(teller, "registry", &name).await?;
        Ok(name)
    }

    async fn cluster(&self, teller: &mut Teller) -> Result<(), Failure> {
        teller.step("The cluster is registered by its kubeconfig")?;
        let path = ["api", "accounts", "cloud", CLOUD_ACCOUNT];
        let Some(kubeconfig) = &self.options.kubeconfig else {
            return Err(Failure::Usage("no cluster is named".to_owned()));
        };
        let mut body = json!({
            "kubeconfig": files::text(kubeconfig)?,
            "applications": [APPLICATION],
            "namespaces": [self.options.namespace],
        });
        let fields = body.as_object_mut();
        if let (Some(fields), Some(context)) = (fields, &self.options.context) {
            fields.insert("context".to_owned(), json!(context));
        }
        match self.operator.find(&path).await? {
            Some(there) => {
                // The cluster of an earlier run may have gone, and this one taken its place.
                teller.asks("PUT", self.operator, &path)?;
                let expect = there.tag.map_or(Expect::Nothing, Expect::Tag);
                self.operator.send(Call::put(&path, &body).expect(&expect)).await?;
            }
            None => {
                teller.asks("POST", self.operator, &["api", "accounts", "cloud"])?;
                if let Some(fields) = body.as_object_mut() {
                    fields.insert("name".to_owned(), json!(CLOUD_ACCOUNT));
                }
                let key = fresh_key()?;
                self.operator.send(Call::post(&["api", "accounts", "cloud"], &body).key(&key)).await?;
            }
        }
        self.check(teller, "cloud", CLOUD_ACCOUNT).await
    }

    async fn application(&self, teller: &mut Teller) -> Result<(), Failure> {
        teller.step("The application is created and bound to a project")?;
        self.ensure(teller, &["api", "applications", APPLICATION], &documents::application()).await?;
        self.ensure(teller, &["api", "projects", PROJECT], &json!({"name": PROJECT, "description": "Demonstration"})).await?;
        let path = ["api", "projects", PROJECT, "applications", APPLICATION];
        teller.asks("PUT", self.operator, &path)?;
        self.operator.send(Call::put_empty(&path)).await?;
        teller.says(&format!("{APPLICATION} is bound to {PROJECT}"))
    }

    async fn pipeline(&self, teller: &mut Teller, registry_account: &str) -> Result<(), Failure> {
        teller.step("The pipeline is saved")?;
        let names =
            Names { registry: &self.options.registry, registry_account, cloud_account: CLOUD_ACCOUNT, namespace: &self.options.namespace };
        let path = pipeline::path(APPLICATION, PIPELINE);
        let there = self.operator.find(&path).await?;
        let expect = there.map_or(Expect::Absent, |there| there.tag.map_or(Expect::Nothing, Expect::Tag));
        teller.asks("PUT", self.operator, &path)?;
        let document = documents::pipeline(&names);
        let saved = self.operator.send(Call::put(&path, &document).expect(&expect)).await?.body;
        let revision = number(&saved, "revision").unwrap_or_default();
        teller.says(&format!("{PIPELINE}, revision {revision}: expects {EXPECTED}; deploys a Deployment, then a Service"))?;
        for warning in list(&saved, "warnings") {
            teller.says(&format!("warning at {}: {}", text(warning, "pointer"), text(warning, "message")))?;
        }
        Ok(())
    }

    async fn hook(&self, teller: &mut Teller, control: &Control) -> Result<(), Failure> {
        teller.step("The registry is told where to tell of pushes")?;
        let path = pipeline::below(APPLICATION, PIPELINE, &["triggers"]);
        teller.asks("GET", self.operator, &path)?;
        let triggers = self.operator.send(Call::get(&path)).await?.body;
        let hook = list(&triggers, "items").iter().map(|trigger| text(trigger, "hookPath")).find(|hook| !hook.is_empty());
        let Some(hook) = hook else {
            return Err(Failure::Server("the pipeline's trigger has no hook".to_owned()));
        };
        // The last part is a secret.
        let shown = hook.rsplit_once('/').map_or("", |(before, _)| before);
        teller.says(&format!("the hook is {}{shown}/…", self.operator.base()))?;
        control.tell(teller, &format!("{}{hook}", self.operator.base())).await
    }

    /// Versions that no earlier run has pushed.
    async fn versions(&self, registry: &str) -> Result<(String, String), Failure> {
        let mut tags = Vec::new();
        let mut after: Option<String> = None;
        loop {
            let path = ["api", "accounts", "registry", registry, "tags"];
            let call = Call::get(&path).query("repository", Some(APPLICATION)).query("after", after);
            let page = match self.operator.send(call).await {
                Ok(page) => page.body,
                // No image of it was pushed yet.
                Err(failure) if failure.status() == Some(404) => break,
                Err(failure) => return Err(failure),
            };
            tags.extend(list(&page, "items").iter().map(|tag| text(tag, "tag").to_owned()));
            after = page.get("next").and_then(Value::as_str).map(str::to_owned);
            if after.is_none() {
                break;
            }
        }
        Ok(documents::next_versions(tags.iter().map(String::as_str)))
    }

    /// A push that becomes an order by itself; gives the order's number.
    async fn push(&self, teller: &mut Teller, control: &Control, version: &str) -> Result<i64, Failure> {
        teller.step(&format!("{APPLICATION} {version} is pushed, and released by itself"))?;
        let orders = ["api", "projects", PROJECT, "orders"];
        let newest = self.operator.send(Call::get(&orders).query("limit", Some(1))).await?.body;
        let before = list(&newest, "items").first().and_then(|order| number(order, "number")).unwrap_or_default();
        let mut topics = Topics::new(self.operator, vec![format!("orders:{PROJECT}")], self.patience);
        topics.changed().await?;
        control.push(teller, APPLICATION, version, &content(version)).await?;
        let pushed = time::now_ms();
        teller.asks("GET", self.operator, &orders)?;
        let found = tokio::time::timeout(ORDER_MAX, self.order_of(&mut topics, before, version)).await;
        let order = found.map_err(|_| {
            let advice = format!("look at what the trigger was told: waybill pipeline triggers {APPLICATION} {PIPELINE}, and the log");
            Failure::Server(format!("the push did not become a release order within {} s; {advice}", ORDER_MAX.as_secs()))
        })??;
        let order_number = number(&order, "number").unwrap_or_default();
        teller.says(&format!("release order {PROJECT}/{order_number}, submitted by {}", text(&order, "submitter")))?;
        let detail = self.follow(teller, self.operator, text(&order, "execution")).await?;
        if let Some(began) = list(&detail, "stages").iter().filter_map(|stage| number(stage, "startedMs")).min() {
            teller.says(&format!("from the push to the first stage: {} ms", (began - pushed).max(0)))?;
        }
        Ok(order_number)
    }

    /// The order that a push became.
    async fn order_of(&self, topics: &mut Topics<'_>, before: i64, version: &str) -> Result<Value, Failure> {
        loop {
            let page = self.operator.send(Call::get(&["api", "projects", PROJECT, "orders"]).query("limit", Some(10))).await?.body;
            let fits = |order: &&Value| {
                number(order, "number").is_some_and(|number| number > before)
                    && list(order, "artifacts").iter().any(|artifact| text(artifact, "version") == version)
            };
            if let Some(order) = list(&page, "items").iter().find(fits) {
                return Ok(order.clone());
            }
            topics.changed().await?;
        }
    }

    /// A developer releases a version that no trigger takes; gives the order's number.
    async fn by_hand(&self, teller: &mut Teller, control: &Control, version: &str) -> Result<i64, Failure> {
        teller.step(&format!("A developer releases {APPLICATION} {version} by hand"))?;
        control.push(teller, APPLICATION, version, &content(version)).await?;
        teller.says("its tag does not fit the trigger, so nothing happens by itself")?;
        teller.asks("POST", self.operator, &["api", "tokens"])?;
        let (body, key) = (token::body(DEVELOPER, Role::Developer, &[], Some(1)), fresh_key()?);
        let made = self.operator.send(Call::post(&["api", "tokens"], &body).key(&key)).await?.body;
        let developer = self.operator.with_token(text(&made, "secret"))?;
        teller.says(&format!("{DEVELOPER} has a token of a developer, for a day"))?;
        let path = ["api", "projects", PROJECT, "orders"];
        teller.asks("POST", &developer, &path)?;
        let body = json!({
            "application": APPLICATION,
            "pipeline": PIPELINE,
            "artifacts": [{"expectedArtifact": EXPECTED, "version": version}],
            "parameters": {},
            "note": "The candidate, to be looked at",
        });
        let key = fresh_key()?;
        let order = developer.send(Call::post(&path, &body).key(&key)).await?.body;
        let order_number = number(&order, "number").unwrap_or_default();
        teller.says(&format!("release order {PROJECT}/{order_number}"))?;
        self.follow(teller, &developer, text(&order, "execution")).await?;
        let number_text = order_number.to_string();
        let path = ["api", "projects", PROJECT, "orders", &number_text];
        teller.asks("GET", &developer, &path)?;
        let detail = developer.send(Call::get(&path)).await?.body;
        teller.says(&views::order(&detail))?;
        Ok(order_number)
    }

    /// Shows an execution to its end, which must be a good one.
    async fn follow(&self, teller: &mut Teller, api: &Api, id: &str) -> Result<Value, Failure> {
        teller.asks("GET", api, &["api", "executions", id])?;
        let detail = execution::watch(api, &mut teller.out, self.patience, id).await?;
        match text(&detail, "status") {
            "SUCCEEDED" => Ok(detail),
            status => Err(Failure::Server(format!("execution {id} ended {status}; waybill execution log {id} says more"))),
        }
    }
}

/// What an image is made of: never the same twice, so that no push looks like an earlier one.
fn content(version: &str) -> String {
    format!("{APPLICATION} {version}, made at {}", time::now_ms())
}
