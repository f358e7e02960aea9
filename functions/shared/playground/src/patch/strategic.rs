//! Strategic merge patch: lists merged by the keys of the schema table, and the directives `$patch`, `$retainKeys`,
//! `$deleteFromPrimitiveList/…` and `$setElementOrder/…`.

use serde_json::{Map, Value};

use super::merge::without_nulls;
use super::schema::{self, Shape, Strategy};
use super::{PatchError, go_print};

const DIRECTIVE: &str = "$patch";
const RETAIN_KEYS: &str = "$retainKeys";
const DELETE_FROM: &str = "$deleteFromPrimitiveList";
const SET_ORDER: &str = "$setElementOrder";

type Fields = Map<String, Value>;

/// Merges the patch into the target.
///
/// # Errors
/// [`PatchError::BadRequest`] for a malformed directive, [`PatchError::Internal`] for items without their key, as the API
/// server answers.
pub(crate) fn strategic(kind: (&str, &str), target: &mut Value, patch: &Value) -> Result<(), PatchError> {
    let (Value::Object(original), Value::Object(patch)) = (&*target, patch) else {
        return Err(PatchError::BadRequest("invalid JSON document".to_owned()));
    };
    *target = Value::Object(merge_maps(original.clone(), patch.clone(), schema::of(kind))?);
    Ok(())
}

fn merge_maps(mut original: Fields, mut patch: Fields, shape: &'static Shape) -> Result<Fields, PatchError> {
    match patch.get(DIRECTIVE).cloned() {
        None => {}
        Some(directive) if directive == "replace" => {
            patch.shift_remove(DIRECTIVE);
            return Ok(patch);
        }
        Some(directive) if directive == "delete" => return Ok(Map::new()),
        Some(directive) => return Err(unknown_directive(&directive, &patch)),
    }
    retain_keys(&mut original, &mut patch)?;
    set_orders(&mut original, &mut patch, shape)?;
    for (key, value) in patch {
        let deletes = match key.split_once('/') {
            Some((DELETE_FROM, name)) => Some(name.to_owned()),
            _ if key.starts_with(DELETE_FROM) => return Err(PatchError::BadRequest("invalid patch format of primitive list".to_owned())),
            _ => None,
        };
        let name = deletes.clone().unwrap_or(key);
        if value.is_null() {
            original.shift_remove(&name);
            continue;
        }
        let merged = match (original.get(&name).cloned(), value) {
            (Some(Value::Object(present)), Value::Object(value)) => Some(Value::Object(if strategy(shape, &name) == Strategy::Replace {
                value
            } else {
                merge_maps(present, value, shape.child(&name))?
            })),
            (Some(Value::Array(present)), Value::Array(value)) if deletes.is_some() => Some(delete_from(present, &value)),
            (Some(Value::Array(present)), Value::Array(value)) => Some(Value::Array(match strategy(shape, &name) {
                Strategy::Merge(key) => merge_lists(present, value, key, shape.child(&name))?,
                Strategy::Plain | Strategy::Replace => value,
            })),
            _ if deletes.is_some() => continue,
            (_, value) => without_directives(without_nulls(&value)),
        };
        match merged {
            Some(merged) => drop(original.insert(name, merged)),
            None => drop(original.shift_remove(&name)),
        }
    }
    Ok(original)
}

fn strategy(shape: &Shape, name: &str) -> Strategy {
    match shape {
        Shape::Struct { name: of, .. } => schema::type_of(of).field(name).map_or(Strategy::Plain, |field| field.strategy),
        Shape::Text | Shape::Number | Shape::Bool | Shape::Scalar | Shape::Any | Shape::Map { .. } | Shape::List { .. } => Strategy::Plain,
    }
}

fn unknown_directive(directive: &Value, within: &Fields) -> PatchError {
    PatchError::Internal(format!("unknown patch type: {} in map: {}", go_print(directive), go_print(&Value::Object(within.clone()))))
}

fn no_key(item: &Value, key: &str) -> PatchError {
    PatchError::Internal(format!("map: {} does not contain declared merge key: {key}", go_print(item)))
}

fn retain_keys(original: &mut Fields, patch: &mut Fields) -> Result<(), PatchError> {
    let Some(keys) = patch.shift_remove(RETAIN_KEYS) else { return Ok(()) };
    let malformed = || PatchError::BadRequest("invalid patch format of retainKeys".to_owned());
    let keys = keys.as_array().ok_or_else(malformed)?;
    let listed = |key: &str| keys.iter().any(|listed| listed == key);
    let free = |key: &str, value: &Value| value.is_null() || key.starts_with(DELETE_FROM) || key.starts_with(SET_ORDER);
    if patch.iter().any(|(key, value)| !free(key, value) && !listed(key)) {
        return Err(malformed());
    }
    original.retain(|key, _| listed(key));
    Ok(())
}

fn delete_from(list: Vec<Value>, away: &[Value]) -> Value {
    Value::Array(list.into_iter().filter(|item| !away.contains(item)).collect())
}

/// Nothing when it is itself only a directive.
fn without_directives(value: Value) -> Option<Value> {
    match value {
        Value::Object(fields) if fields.contains_key(DIRECTIVE) => None,
        Value::Object(fields) => {
            Some(Value::Object(fields.into_iter().filter_map(|(key, value)| Some((key, without_directives(value)?))).collect()))
        }
        Value::Array(items) => Some(Value::Array(items.into_iter().filter_map(without_directives).collect())),
        scalar => Some(scalar),
    }
}

/// Items are all maps, or none is.
fn are_maps(lists: &[&[Value]]) -> Result<bool, PatchError> {
    let all = || lists.iter().flat_map(|list| list.iter());
    if all().any(Value::is_array) {
        return Err(PatchError::Unprocessable);
    }
    let maps = all().filter(|item| item.is_object()).count();
    if maps != 0 && maps != all().count() {
        let lists: Vec<String> = lists.iter().map(|list| go_print(&Value::Array(list.to_vec()))).collect();
        return Err(PatchError::Internal(format!("list element types are not identical: [{}]", lists.join(" "))));
    }
    Ok(maps != 0)
}

fn merge_lists(mut original: Vec<Value>, patch: Vec<Value>, key: &str, shape: &'static Shape) -> Result<Vec<Value>, PatchError> {
    if original.is_empty() && patch.is_empty() {
        return Ok(original);
    }
    let order = original.clone();
    if !are_maps(&[&original, &patch])? {
        let mut merged: Vec<Value> = Vec::new();
        for item in original.into_iter().chain(patch.iter().cloned()) {
            if !merged.contains(&item) {
                merged.push(item);
            }
        }
        return in_order(merged, &patch, &order, "");
    }
    let (mut plain, mut replaces) = (Vec::new(), false);
    for item in patch {
        match item.get(DIRECTIVE) {
            None => plain.push(item),
            Some(directive) if directive == "delete" => {
                let value = item.get(key).ok_or_else(|| no_key(&item, key))?;
                original.retain(|present| present.get(key) != Some(value));
            }
            Some(directive) if directive == "replace" => replaces = true,
            Some(directive) if directive == "merge" => {
                return Err(PatchError::Internal("merging lists cannot yet be specified in the patch".to_owned()));
            }
            Some(directive) => return Err(unknown_directive(directive, item.as_object().unwrap_or(&Map::new()))),
        }
    }
    if replaces {
        return Ok(plain);
    }
    let order = original.clone();
    for item in &plain {
        let value = item.get(key).ok_or_else(|| no_key(item, key))?;
        let place = original.iter_mut().find(|present| present.get(key) == Some(value));
        match (place, item) {
            (Some(place), Value::Object(fields)) => {
                let present = place.as_object().cloned().unwrap_or_default();
                *place = Value::Object(merge_maps(present, fields.clone(), shape.item())?);
            }
            _ => original.push(item.clone()),
        }
    }
    if let Some(item) = original.iter().find(|item| item.get(key).is_none()) {
        return Err(no_key(item, key));
    }
    in_order(original, &plain, &order, key)
}

/// The place of an item in a list, by its key.
fn place(list: &[Value], item: &Value, key: &str) -> Option<usize> {
    list.iter().position(|other| if key.is_empty() { other == item } else { other.get(key) == item.get(key) })
}

/// What the patch names in its order, the rest in the server's order, as well interleaved as the server's order allows.
fn in_order(merged: Vec<Value>, patch: &[Value], server: &[Value], key: &str) -> Result<Vec<Value>, PatchError> {
    let (mut named, mut rest): (Vec<_>, Vec<_>) = merged.into_iter().partition(|item| place(patch, item, key).is_some());
    named.sort_by_key(|item| place(patch, item, key));
    rest.sort_by_key(|item| place(server, item, key).unwrap_or(usize::MAX));
    let (mut named, mut rest) = (named.into_iter().peekable(), rest.into_iter().peekable());
    let mut all = Vec::new();
    loop {
        let rest_first = match (rest.peek(), named.peek()) {
            (None, None) => return Ok(all),
            (Some(_), None) => true,
            (None, Some(_)) => false,
            (Some(left), Some(right)) => {
                matches!((place(server, left, key), place(server, right, key)), (Some(left), Some(right)) if left < right)
            }
        };
        all.extend(if rest_first { rest.next() } else { named.next() });
    }
}

/// Lists whose order the patch says are merged first and put in that order.
fn set_orders(original: &mut Fields, patch: &mut Fields, shape: &'static Shape) -> Result<(), PatchError> {
    let malformed = || PatchError::BadRequest("invalid patch format of setElementOrder list".to_owned());
    let directives: Vec<String> = patch.keys().filter(|key| key.starts_with(SET_ORDER)).cloned().collect();
    for directive in directives {
        let order = patch.shift_remove(&directive).unwrap_or_default();
        let Value::Array(order) = order else { return Err(malformed()) };
        let Some((SET_ORDER, name)) = directive.split_once('/') else { return Err(malformed()) };
        let list = |value: Option<Value>| match value {
            None | Some(Value::Null) => Ok(None),
            Some(Value::Array(items)) => Ok(Some(items)),
            Some(_) => Err(PatchError::Internal("expected a []interface {}, but received something else".to_owned())),
        };
        let (present, given) = (list(original.get(name).cloned())?, list(patch.get(name).cloned())?);
        let Strategy::Merge(key) = strategy(shape, name) else { continue };
        let server = present.clone().unwrap_or_default();
        check_order(given.as_deref().unwrap_or_default(), &order, key)?;
        patch.shift_remove(name);
        let merged = match (present, given) {
            (None, None) => continue,
            (Some(present), None) => present,
            (None, Some(given)) => given.iter().map(without_nulls).filter_map(without_directives).collect(),
            (Some(present), Some(given)) => merge_lists(present, given, key, shape.child(name))?,
        };
        original.insert(name.to_owned(), Value::Array(in_order(merged, &order, &server, key)?));
    }
    Ok(())
}

/// What the patch has must be in the order, in that order.
fn check_order(given: &[Value], order: &[Value], key: &str) -> Result<(), PatchError> {
    if given.is_empty() || order.is_empty() {
        return Ok(());
    }
    let mut from = 0;
    for item in given.iter().filter(|item| item.get(DIRECTIVE).is_none()) {
        let Some(at) = order.get(from..).and_then(|rest| place(rest, item, key)) else {
            let (given, order) = (go_print(&Value::from(given.to_vec())), go_print(&Value::from(order.to_vec())));
            return Err(PatchError::Internal(format!("The order in patch list:\n{given}\n doesn't match {SET_ORDER} list:\n{order}\n")));
        };
        from += at + 1;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    const DEPLOYMENT: (&str, &str) = ("apps/v1", "Deployment");

    fn pods(spec: &Value) -> Value {
        json!({"spec": {"template": {"spec": spec}}})
    }

    fn patched(original: &Value, patch: &Value) -> Result<Value, PatchError> {
        let mut object = pods(original);
        strategic(DEPLOYMENT, &mut object, &pods(patch)).map(|()| object["spec"]["template"]["spec"].clone())
    }

    /// The examples of "Update API Objects in Place Using kubectl patch".
    #[test]
    fn the_examples_of_the_documentation() {
        let original = json!({"containers": [{"name": "patch-demo-ctr", "image": "nginx"}], "tolerations": [{"effect": "NoSchedule", "key": "dedicated", "value": "test-team"}]});
        let with = patched(&original, &json!({"containers": [{"name": "patch-demo-ctr-2", "image": "redis"}]})).unwrap();
        let names: Vec<_> = with["containers"].as_array().unwrap().iter().map(|container| container["name"].as_str().unwrap()).collect();
        assert_eq!(names, ["patch-demo-ctr-2", "patch-demo-ctr"]);
        let tolerations = json!([{"effect": "NoSchedule", "key": "disktype", "value": "ssd"}]);
        assert_eq!(patched(&original, &json!({"tolerations": tolerations})).unwrap()["tolerations"], tolerations);

        let mut deployment = json!({"spec": {"strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1}}}});
        let patch = json!({"spec": {"strategy": {"$retainKeys": ["type"], "type": "Recreate"}}});
        strategic(DEPLOYMENT, &mut deployment, &patch).unwrap();
        assert_eq!(deployment, json!({"spec": {"strategy": {"type": "Recreate"}}}));
    }

    #[test]
    fn items_are_merged_replaced_and_deleted() {
        let original =
            json!({"containers": [{"name": "a", "image": "1", "env": [{"name": "X", "value": "1"}]}, {"name": "b", "image": "1"}]});
        let merged =
            patched(&original, &json!({"containers": [{"name": "a", "image": "2", "env": [{"name": "Y", "value": "2"}]}]})).unwrap();
        assert_eq!(merged["containers"][0]["image"], "2");
        assert_eq!(merged["containers"][0]["env"], json!([{"name": "Y", "value": "2"}, {"name": "X", "value": "1"}]));
        let deleted = patched(&original, &json!({"containers": [{"name": "a", "$patch": "delete"}]})).unwrap();
        assert_eq!(deleted, json!({"containers": [{"name": "b", "image": "1"}]}));
        let replaced = patched(&original, &json!({"containers": [{"name": "c"}, {"$patch": "replace"}]})).unwrap();
        assert_eq!(replaced, json!({"containers": [{"name": "c"}]}));
        let whole = patched(&original, &json!({"$patch": "replace", "hostNetwork": true})).unwrap();
        assert_eq!(whole, json!({"hostNetwork": true}));
        assert_eq!(patched(&original, &json!({"$patch": "delete"})).unwrap(), json!({}));
        assert_eq!(
            patched(&original, &json!({"containers": null, "volumes": [{"name": "v", "$patch": "delete"}]})).unwrap(),
            json!({"volumes": []})
        );
    }

    #[test]
    fn orders_are_obeyed() {
        let original = json!({"containers": [{"name": "a"}, {"name": "b"}, {"name": "c"}]});
        let order = |names: &[&str]| Value::Array(names.iter().map(|name| json!({"name": name})).collect());
        let sorted =
            patched(&original, &json!({"$setElementOrder/containers": order(&["c", "d", "a"]), "containers": [{"name": "d"}]})).unwrap();
        assert_eq!(sorted["containers"], order(&["b", "c", "d", "a"]));
        let error = patched(&original, &json!({"$setElementOrder/containers": order(&["c"]), "containers": [{"name": "d"}]})).unwrap_err();
        assert!(matches!(&error, PatchError::Internal(text) if text.starts_with("The order in patch list:\n[map[name:d]]\n")), "{error}");
    }

    #[test]
    fn lists_of_values_are_sets() {
        let mut object = json!({"metadata": {"finalizers": ["a", "b"]}});
        strategic(DEPLOYMENT, &mut object, &json!({"metadata": {"finalizers": ["b", "c"]}})).unwrap();
        assert_eq!(object["metadata"]["finalizers"], json!(["a", "b", "c"]));
        strategic(DEPLOYMENT, &mut object, &json!({"metadata": {"$deleteFromPrimitiveList/finalizers": ["a", "x"]}})).unwrap();
        assert_eq!(object["metadata"]["finalizers"], json!(["b", "c"]));
        let order = json!({"metadata": {"$setElementOrder/finalizers": ["c", "b"]}});
        strategic(DEPLOYMENT, &mut object, &order).unwrap();
        assert_eq!(object["metadata"]["finalizers"], json!(["c", "b"]));
    }

    #[test]
    fn what_is_malformed_is_refused() {
        let original = json!({"containers": [{"name": "a"}]});
        let error = |patch: Value| patched(&original, &patch).unwrap_err();
        let no_key = error(json!({"containers": [{"image": "x"}]}));
        assert_eq!(no_key, PatchError::Internal("map: map[image:x] does not contain declared merge key: name".to_owned()));
        assert_eq!(error(json!({"$patch": "frob"})), PatchError::Internal("unknown patch type: frob in map: map[$patch:frob]".to_owned()));
        assert_eq!(error(json!({"$retainKeys": 1})).status(), (400, "BadRequest"));
        assert_eq!(error(json!({"$retainKeys": ["x"], "y": 1})).status(), (400, "BadRequest"));
        assert_eq!(error(json!({"$setElementOrder/containers": 1})).status(), (400, "BadRequest"));
        assert_eq!(error(json!({"$deleteFromPrimitiveList": 1})).status(), (400, "BadRequest"));
        assert_eq!(error(json!({"containers": [[]]})).status(), (422, "Invalid"));
        assert!(error(json!({"containers": [{"name": "a"}, 1]})).to_string().starts_with("list element types are not identical"));
        assert_eq!(strategic(DEPLOYMENT, &mut json!({}), &json!([])).unwrap_err().status(), (400, "BadRequest"));
    }
}
