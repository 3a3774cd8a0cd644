//! `controller_traces`, `controller_traces_named`, `controller_flapping`.

use super::{Table, rows, world::World};
use serde_json::Value;

/// The rows of a history, without what the model does not keep.
fn states(expected: &Value) -> Vec<Value> {
    let rows = expected.as_array().expect("rows").iter().cloned();
    let rows = rows.map(|mut row| {
        for key in ["events", "error", "settled"] {
            row.as_object_mut().expect("a row").remove(key);
        }
        row.as_object_mut().expect("a row").entry("step").or_insert(Value::Null);
        row
    });
    let mut states: Vec<Value> = rows.collect();
    // Some differ in their events alone.
    states.dedup_by(|next, before| {
        let fields = |row: &Value| {
            let mut row = row.clone();
            row["t"] = Value::Null;
            row
        };
        fields(next) == fields(before)
    });
    states
}

/// The first row in which two histories differ.
fn compare(expected: Vec<Value>, ours: &[Value]) -> (Value, Value) {
    let length = expected.len().max(ours.len());
    let place = (0..length).find(|place| expected.get(*place) != ours.get(*place));
    let at = |rows: &[Value], place: usize| {
        // Only what differs, with the time, is easy to read.
        let (one, other) = (expected.get(place), ours.get(place));
        let row = rows.get(place).cloned().unwrap_or(Value::Null);
        let Some(fields) = row.as_object() else { return row };
        let differs = |key: &str| one.map(|row| &row[key]) != other.map(|row| &row[key]);
        fields
            .iter()
            .filter(|(key, _)| *key == "t" || differs(key))
            .map(|(key, value)| (key.clone(), value.clone()))
            .collect()
    };
    place.map_or((Value::Null, Value::Null), |place| (at(&expected, place), at(ours, place)))
}

#[test]
fn whole_histories_are_those_of_the_real_controller() {
    let answer = |row: &Value| Some(compare(states(&row["expected"]), &World::play(&row["inputs"]).rows));
    Table::compare("controller_traces", answer).hold();
}

#[test]
fn well_known_histories_are_those_of_the_real_controller() {
    let answer = |row: &Value| Some(compare(states(&row["expected"]), &World::play(&row["inputs"]).rows));
    Table::compare("controller_traces_named", answer).hold();
}

#[test]
fn each_pass_of_them_is_that_of_the_real_controller() {
    let answer = |row: &Value| {
        let expected = row["reconciles"].as_array().expect("passes").clone();
        Some(compare(expected, &World::play(&row["inputs"]).reconciles))
    };
    Table::compare("controller_traces_named", answer).hold();
}

#[test]
fn a_controller_that_never_rests_is_seen_to_be_one() {
    for row in rows("controller_flapping") {
        let settled =
            row["expected"].as_array().expect("rows").iter().take_while(|row| row["settled"] != Value::Bool(false));
        let settled = states(&settled.cloned().collect());
        let ours = World::play(&row["inputs"]);
        assert!(ours.is_restless, "{}", row["name"]);
        assert_eq!(ours.rows[..settled.len()], settled[..], "{}", row["name"]);
    }
}
