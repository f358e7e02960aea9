//! Each condition, on what is there and what is not, for each kind of write.

use super::{Bench, Case, Checked};
use app::ports::{Condition, Item, Write};

pub(super) async fn run(bench: &Bench<'_>) -> Checked {
    let case = Case::new(bench, "conditions");
    let text = |text: &str| text.to_owned();
    let there = || case.item("there", "x").attribute("fence", "7").attribute("empty", "");
    // The condition, whether it holds of the item above at revision 1, and whether it holds of none.
    let table = [
        (vec![], true, true),
        (vec![Condition::Absent], false, true),
        (vec![Condition::Exists], true, false),
        (vec![Condition::Revision(1)], true, false),
        (vec![Condition::Revision(2)], false, false),
        (vec![Condition::Revision(0)], false, false),
        (vec![Condition::Attribute(text("fence"), text("7"))], true, false),
        (vec![Condition::Attribute(text("fence"), text("8"))], false, false),
        (vec![Condition::Attribute(text("empty"), text(""))], true, false),
        (vec![Condition::Attribute(text("open"), text(""))], false, false),
        (vec![Condition::NoAttribute(text("fence"))], false, true),
        (vec![Condition::NoAttribute(text("empty"))], false, true),
        (vec![Condition::NoAttribute(text("open"))], true, true),
        (vec![Condition::Exists, Condition::NoAttribute(text("open"))], true, false),
        (vec![Condition::Revision(1), Condition::Attribute(text("fence"), text("8"))], false, false),
    ];
    for (conditions, of_it, of_none) in table {
        for (sort, holds) in [("there", of_it), ("missing", of_none)] {
            each_write(&case, &there(), sort, &conditions, holds).await?;
        }
    }
    Ok(())
}

async fn each_write(case: &Case<'_>, there: &Item, sort: &str, conditions: &[Condition], holds: bool) -> Checked {
    let target = Item { key: case.key(sort), ..there.clone() };
    let writes = [
        Write::Check(target.key.clone(), conditions.to_vec()),
        Write::Put(target.clone(), conditions.to_vec()),
        Write::Delete(target.key.clone(), conditions.to_vec()),
    ];
    for write in writes {
        case.write(vec![Write::Delete(case.key("there"), vec![]), Write::Delete(case.key("missing"), vec![])]).await?;
        case.put(there.clone()).await?;
        let before = case.revision(sort).await?;
        let after = match &write {
            Write::Put(..) if holds => before + 1,
            Write::Delete(..) if holds => 0,
            _ => before,
        };
        if holds {
            case.write(vec![write.clone()]).await?;
        } else {
            case.conflicts(vec![write.clone()], &[0]).await?;
        }
        case.same(&case.revision(sort).await?, &after, &format!("revision after {write:?}"))?;
    }
    Ok(())
}
