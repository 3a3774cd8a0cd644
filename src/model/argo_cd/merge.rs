//! Manifests merged: what `kubectl apply` makes of the object in the cluster, and what is left to compare.
//!
//! A list is one value: `rules` and `paths` of an Ingress are atomic, and a JSON merge patch knows no other lists.
//! Source: `gitops-engine/pkg/diff/diff.go` and `pkg/utils/json`; Kubernetes, *Declarative Management*.

use serde_json::{Map, Value};

/// The object after an apply: what git says is set, what was applied before and is no longer in git goes, and what nobody
/// applied stays.
pub fn applied(live: &Value, git: &Value, last_applied: &Value) -> Value {
    let (Value::Object(live), Value::Object(git)) = (live, git) else { return git.clone() };
    let before = last_applied.as_object();
    let mut after = live.clone();
    for key in before.into_iter().flat_map(Map::keys) {
        if !git.contains_key(key) {
            after.remove(key);
        }
    }
    for (key, wanted) in git {
        let last = before.and_then(|before| before.get(key)).unwrap_or(&Value::Null);
        let value = live.get(key).map_or_else(|| wanted.clone(), |value| applied(value, wanted, last));
        after.insert(key.clone(), value);
    }
    Value::Object(after)
}

/// The object without the fields that nobody applied, in lists by their places; an element behind the last one stays.
/// Source: `RemoveMapFields`, `RemoveListFields`.
pub fn known(live: &Value, last_applied: &Value) -> Value {
    match (live, last_applied) {
        (Value::Object(live), Value::Object(applied)) => {
            let fields = live.iter().filter_map(|(key, value)| Some((key.clone(), known(value, applied.get(key)?))));
            Value::Object(fields.collect())
        }
        (Value::Array(live), Value::Array(applied)) => {
            let elements = live.iter().enumerate();
            let elements = elements.map(|(place, value)| {
                applied.get(place).map_or_else(|| value.clone(), |applied| known(value, applied))
            });
            elements.collect()
        }
        (
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) | Value::Object(_),
            _,
        ) => live.clone(),
    }
}

/// The JSON merge patch that makes `to` of `from`. Source: RFC 7386.
pub fn patch(from: &Value, to: &Value) -> Value {
    let (Value::Object(from), Value::Object(to)) = (from, to) else { return to.clone() };
    let mut patch_of = Map::new();
    for key in from.keys().filter(|key| !to.contains_key(*key)) {
        patch_of.insert(key.clone(), Value::Null);
    }
    for (key, value) in to {
        match from.get(key) {
            Some(before) if before == value => {}
            Some(before) => {
                patch_of.insert(key.clone(), patch(before, value));
            }
            None => {
                patch_of.insert(key.clone(), value.clone());
            }
        }
    }
    Value::Object(patch_of)
}

/// Source: RFC 7386.
pub fn patched(value: &Value, patch: &Value) -> Value {
    let Value::Object(patch) = patch else { return patch.clone() };
    let mut after = value.as_object().cloned().unwrap_or_default();
    for (key, change) in patch {
        if change.is_null() {
            after.remove(key);
        } else {
            let before = after.get(key).unwrap_or(&Value::Null);
            after.insert(key.clone(), patched(before, change));
        }
    }
    Value::Object(after)
}

/// `target` with every leaf of git that normalising left as it was. Source: argo-cd, `controller/sync.go`, from 3.3.13,
/// 3.4.5 and 3.5.0 on. As read, not as run.
pub fn restored(target: &Value, git: &Value, normalised: &Value) -> Value {
    let (Value::Object(fields), Value::Object(git_fields), Value::Object(normalised)) = (target, git, normalised)
    else {
        return if git == normalised { git.clone() } else { target.clone() };
    };
    let mut after = fields.clone();
    for (key, value) in git_fields {
        match (fields.get(key), normalised.get(key)) {
            (Some(field), Some(left)) => {
                after.insert(key.clone(), restored(field, value, left));
            }
            (None, Some(left)) if left == value => {
                after.insert(key.clone(), value.clone());
            }
            (None | Some(_), None) | (None, Some(_)) => {}
        }
    }
    Value::Object(after)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn an_apply_sets_what_git_says_and_takes_what_it_no_longer_says() {
        let live = json!({ "a": { "git": "0", "other": "1", "gone": "2" }, "rules": [1, 2], "x": 1 });
        let git = json!({ "a": { "git": "5" }, "rules": [2], "new": {} });
        let last = json!({ "a": { "git": "0", "gone": "2" }, "rules": [2], "x": 1 });
        let expected = json!({ "a": { "git": "5", "other": "1" }, "rules": [2], "new": {} });
        assert_eq!(applied(&live, &git, &last), expected);
        assert_eq!(applied(&expected, &git, &git), expected, "a second one changes nothing");
    }

    #[test]
    fn unknown_fields_go_and_unknown_elements_behind_the_last_stay() {
        let live = json!({ "refs": [{ "name": "a", "weight": 3 }, { "name": "b", "weight": 7 }, { "name": "c" }], "status": 1 });
        let last = json!({ "refs": [{ "name": "a" }, { "name": "b" }] });
        assert_eq!(known(&live, &last), json!({ "refs": [{ "name": "a" }, { "name": "b" }, { "name": "c" }] }));
    }

    #[test]
    fn a_patch_leads_from_one_to_the_other() {
        for (from, to) in [
            (json!({ "a": 1, "b": { "c": 2, "d": 3 } }), json!({ "b": { "c": 2, "d": [4] }, "e": {} })),
            (json!({}), json!({ "a": { "b": 1 } })),
            (json!({ "a": [1] }), json!({ "a": [1] })),
        ] {
            assert_eq!(patched(&from, &patch(&from, &to)), to);
        }
        assert_eq!(patch(&json!({ "a": 1 }), &json!({ "a": 1 })), json!({}));
    }

    #[test]
    fn what_no_rule_ignores_is_gits_again_and_a_list_is_one_leaf() {
        let git = json!({ "rules": [1], "annotations": { "a": "git", "b": "git" } });
        let target = json!({ "rules": [0, 1], "annotations": { "a": "live", "b": "live" } });
        // The rule took `a` out of git, and an element out of the live list alone.
        let normalised = json!({ "rules": [1], "annotations": { "b": "git" } });
        let expected = json!({ "rules": [1], "annotations": { "a": "live", "b": "git" } });
        assert_eq!(restored(&target, &git, &normalised), expected);
    }
}
