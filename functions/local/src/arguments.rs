//! The words after `waybill`.

use crate::commands::{account, application, dead_letters, execution, expressions, install, order, pipeline, project, secret, token};
use crate::session::Group;
use crate::{demo, offline, playground_command, serve};
use clap::{Parser, Subcommand};

/// Continuous delivery for Kubernetes: the server, and its client.
#[derive(Debug, Parser)]
#[command(name = "waybill", version, propagate_version = true, arg_required_else_help = true)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run the server: every function in this process, on a folder.
    Serve(serve::Options),
    /// Run a playground: a Kubernetes API for demonstrations, in memory, with pods that only say that they run.
    Playground(playground_command::Options),
    /// Make the table and the bucket of an installation on AWS ready: stage types, and the first administrator's token.
    Install(install::Options),
    /// What the queue of an installation on AWS laid aside because it failed again and again.
    DeadLetters(dead_letters::Options),
    /// Release orders: submit, list, show.
    Order(Group<order::Command>),
    /// Executions: start, list, show, follow, judge, hold, restart, shorten, cancel, log.
    Execution(Group<execution::Command>),
    /// Cloud and registry accounts.
    Account(Group<account::Command>),
    /// Applications.
    App(Group<application::Command>),
    /// Projects, and which applications are bound to them.
    Project(Group<project::Command>),
    /// Pipelines, their revisions and triggers; and what there is to say of files with pipelines.
    #[command(alias = "pipelines")]
    Pipeline(Group<pipeline::Command>),
    /// Secrets of an application, which pipelines refer to as `secret://NAME`.
    #[command(alias = "secrets")]
    Secret(Group<secret::Command>),
    /// Expressions: evaluate a text, here or as an execution sees it, and explain what it asks for.
    #[command(alias = "expression")]
    Expressions(Group<expressions::Command>),
    /// Tokens that people and programs sign in with.
    Token(Group<token::Command>),
    /// Write all of a store into one file, secrets sealed, while no server runs on it.
    Export(offline::transfer::Export),
    /// Put all of such a file into an empty store.
    Import(offline::transfer::Import),
    /// Executions that are kept no longer: list, show; without a server.
    Archive(offline::archive::Archive),
    /// Carry the whole flaskapp story out through the API, from accounts to release orders.
    Demo(Box<demo::Options>),
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_words_do_not_contradict_each_other() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn where_the_server_is_may_be_said_at_the_end() {
        let words = ["waybill", "order", "show", "cd-demo", "7", "--server", "http://h", "--json"];
        assert!(Arguments::try_parse_from(words).is_ok());
        let error = Arguments::try_parse_from(["waybill", "order", "show", "cd-demo"]).unwrap_err();
        assert_eq!(error.exit_code(), 2);
        assert!(Arguments::try_parse_from(["waybill", "order", "show", "cd-demo", "seven"]).is_err());
    }

    #[test]
    fn expressions_are_tried_alone_or_on_an_execution() {
        let fits = |words: &[&str]| Arguments::try_parse_from(["waybill", "expressions"].iter().chain(words)).is_ok();
        assert!(fits(&["evaluate", "${a}", "--context", "f.json"]));
        assert!(fits(&["evaluate", "${a}", "--execution", "x", "--stage", "1"]));
        assert!(fits(&["explain", "${a}"]));
        assert!(!fits(&["evaluate", "${a}", "--stage", "1"]), "a stage is one of an execution");
        assert!(!fits(&["evaluate"]));
    }

    #[test]
    fn a_store_is_a_folder_or_on_aws() {
        let fits = |words: &[&str]| Arguments::try_parse_from(["waybill"].iter().chain(words)).is_ok();
        for words in [
            &["export", "--data", "d", "f"][..],
            &["export", "--aws", "f"],
            &["import", "--aws", "--create-table", "f"],
            &["archive", "list", "--data", "d", "--month", "2026-11"],
            &["archive", "show", "x", "--aws", "--json"],
        ] {
            assert!(fits(words), "{words:?}");
        }
        for words in [
            &["export", "f"][..],
            &["export", "--data", "d", "--aws", "f"],
            &["import", "--data", "d", "--create-table", "f"],
            &["archive", "list", "--data", "d", "--limit", "0"],
        ] {
            assert!(!fits(words), "{words:?}");
        }
    }

    #[test]
    fn an_execution_is_steered_by_its_id_and_a_stage() {
        let fits = |words: &[&str]| Arguments::try_parse_from(["waybill", "execution"].iter().chain(words)).is_ok();
        for words in [
            &["pause", "x", "--reason", "lunch"][..],
            &["resume", "x"],
            &["restart", "x", "1"],
            &["rerun", "x", "--follow"],
            &["skip", "x", "1", "--reason", "not today"],
            &["skip-window", "x", "3<1"],
            &["start", "--application", "a", "--pipeline", "p", "--dry-run", "--start-by", "10m"],
        ] {
            assert!(fits(words), "{words:?}");
        }
        for words in [&["restart", "x"][..], &["skip", "x"], &["resume", "x", "--reason", "r"]] {
            assert!(!fits(words), "{words:?}");
        }
        assert!(!fits(&["start", "--application", "a", "--pipeline", "p", "--start-by", "soon"]));
    }

    #[test]
    fn the_story_needs_a_cluster_or_the_playground() {
        let fits = |words: &[&str]| {
            let always = ["waybill", "demo", "--registry", "h:1", "--registry-control", "http://h"];
            Arguments::try_parse_from(always.iter().chain(words)).is_ok()
        };
        assert!(fits(&["--playground"]) && fits(&["--kubeconfig", "f"]));
        assert!(!fits(&[]) && !fits(&["--playground", "--kubeconfig", "f"]) && !fits(&["--playground", "--context", "c"]));
        assert!(!fits(&["--playground", "--server", "http://h", "--token-file", "f"]), "the playground is the server's own");
        assert!(Arguments::try_parse_from(["waybill", "serve", "--data", "d", "--playground", "--playground-application", "shop"]).is_ok());
        assert!(Arguments::try_parse_from(["waybill", "serve", "--data", "d", "--playground-application", "shop"]).is_err());
    }

    #[test]
    fn pipelines_come_and_go() {
        let fits = |words: &[&str]| Arguments::try_parse_from(["waybill"].iter().chain(words)).is_ok();
        assert!(fits(&[
            "pipelines",
            "import",
            "a.json",
            "folder",
            "--application",
            "shop",
            "--map",
            "account=a:b",
            "--secrets",
            "move",
            "--dry-run"
        ]));
        assert!(!fits(&["pipelines", "import", "a.json"]), "which application?");
        assert!(!fits(&["pipelines", "import", "a.json", "--application", "shop", "--secrets", "sell"]));
        assert!(fits(&["pipelines", "export", "--application", "shop", "p", "--out", "d"]));
        assert!(fits(&["pipelines", "export"]));
        assert!(!fits(&["pipelines", "export", "p"]), "which application's?");
        assert!(fits(&["secrets", "set", "shop", "db", "--file", "f"]) && fits(&["secrets", "list", "shop"]));
        assert!(!fits(&["secrets", "set", "shop", "db", "hunter2"]), "a word on the command line can be read by everybody");
    }

    #[test]
    fn files_are_checked_without_a_server() {
        let fits = |words: &[&str]| Arguments::try_parse_from(["waybill", "pipelines", "check"].iter().chain(words)).is_ok();
        assert!(fits(&["a.json", "folder", "--json"]));
        assert!(fits(&["a.json", "--application", "shop", "--map", "account=prod:my-prod", "--map", "namespace=a:b"]));
        assert!(!fits(&[]));
        assert!(!fits(&["a.json", "--map", "prod:my-prod"]));
    }
}
