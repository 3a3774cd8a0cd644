//! A scenario laid over what the manifests say: single fields take the place of theirs.

use crate::scenario::document::{Kind, Node, Table};

/// Tables are joined, containers by their names, as `kubectl` merges them; anything else is replaced.
pub fn lay_over(base: &mut Table, top: &Table) {
    for entry in &top.entries {
        match base.entries.iter_mut().find(|other| other.key == entry.key) {
            None => base.entries.push(entry.clone()),
            Some(below) => match (&mut below.value.kind, &entry.value.kind) {
                (Kind::Table(below), Kind::Table(above)) => lay_over(below, above),
                (Kind::Array(below), Kind::Array(above)) if entry.key == "containers" => by_name(below, above),
                _ => below.value = entry.value.clone(),
            },
        }
    }
}

fn by_name(base: &mut Vec<Node>, top: &[Node]) {
    let name = |node: &Node| node.table()?.get("name")?.value.text().map(str::to_owned);
    for item in top {
        // One that has no name means the only one.
        let same = |other: &&mut Node| name(item).is_none() || name(other) == name(item);
        match (base.iter_mut().find(same).map(|node| &mut node.kind), item.table()) {
            (Some(Kind::Table(below)), Some(above)) => lay_over(below, above),
            _ => base.push(item.clone()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario::document::parse;

    #[test]
    fn single_fields_are_replaced() {
        let mut base = parse(
            "a = 1\nlist = [1, 2]\n[t]\nx = 1\ny = 2\n[[t.containers]]\nname = \"web\"\nimage = \"a\"\n\
             [[t.containers]]\nname = \"side\"\n",
        )
        .unwrap();
        let top = parse("list = [3]\n[t]\ny = 3\n[[t.containers]]\nname = \"web\"\ngrace = 1\n[u]\nz = 1\n").unwrap();
        lay_over(&mut base, &top);
        let shown = Node { kind: Kind::Table(base), place: None }.to_toml();
        assert_eq!(
            shown,
            "{ a = 1, list = [3], t = { x = 1, y = 3, containers = [{ name = \"web\", image = \"a\", grace = 1 }, \
             { name = \"side\" }] }, u = { z = 1 } }"
        );
    }
}
