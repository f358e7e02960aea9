//! `waybill order …`

use super::show_page;
use super::start::Start;
use crate::api::Call;
use crate::failure::Failure;
use crate::session::{PageOptions, Session};
use crate::views;
use clap::Subcommand;
use serde_json::Value;

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Release versions of an application.
    Submit {
        /// The project it is submitted in; the application must be bound to it.
        #[arg(long)]
        project: String,
        #[command(flatten)]
        start: Start,
    },
    /// Release orders of a project, newest first.
    List {
        /// The project.
        project: String,
        #[command(flatten)]
        page: PageOptions,
    },
    /// A release order with its execution.
    Show {
        /// The project.
        project: String,
        /// The order's number.
        number: u64,
        /// The pipeline's JSON as it was released, too.
        #[arg(long)]
        source: bool,
    },
}

pub(crate) async fn run(command: Command, session: &mut Session) -> Result<(), Failure> {
    match command {
        Command::Submit { project, start } => start.send(session, &["api", "projects", &project, "orders"], submitted).await,
        Command::List { project, page } => show_page(session, &["api", "projects", &project, "orders"], &page, views::orders).await,
        Command::Show { project, number, source } => {
            let number = number.to_string();
            let mut answer = session.api.send(Call::get(&["api", "projects", &project, "orders", &number])).await?;
            let whole = source || session.out.is_json();
            if let Some(order) = answer.body.as_object_mut().filter(|_| !whole) {
                order.remove("source");
            }
            session.out.show(&answer.body, views::order)
        }
    }
}

fn submitted(answer: &Value) -> String {
    let number = views::number(answer, "number").unwrap_or_default();
    format!("release order {}/{number} is submitted, execution {}", views::text(answer, "project"), views::text(answer, "execution"))
}
