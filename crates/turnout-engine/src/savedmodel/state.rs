//! Which signatures may change the model's own state.
//!
//! The rule: a signature may change state when what it fetches depends on an operator that TensorFlow marks as stateful, or
//! that takes a variable by reference, unless it is known only to read. An operator that nobody knows may change state.

use std::collections::{HashMap, HashSet};

use turnout_core::Result;

use super::meta_graph::{MetaGraph, Node, first_text};
use super::wire::fields;

/// Marked as stateful, or taking references, and yet only reading; or calling functions, which are looked into.
const READERS: [&str; 36] = [
    "AnonymousHashTable",
    "Assert",
    "Case",
    "HashTable",
    "HashTableV2",
    "If",
    "IsVariableInitialized",
    "LookupTableExport",
    "LookupTableExportV2",
    "LookupTableFind",
    "LookupTableFindV2",
    "LookupTableSize",
    "LookupTableSizeV2",
    "MutableDenseHashTable",
    "MutableDenseHashTableV2",
    "MutableHashTable",
    "MutableHashTableOfTensors",
    "MutableHashTableOfTensorsV2",
    "MutableHashTableV2",
    "PartitionedCall",
    "ReadVariableOp",
    "RefIdentity",
    "RefMerge",
    "RefSwitch",
    "ResourceGather",
    "ResourceGatherNd",
    "StatefulPartitionedCall",
    "StatelessCase",
    "StatelessIf",
    "StatelessWhile",
    "VarHandleOp",
    "VarIsInitializedOp",
    "Variable",
    "VariableShape",
    "VariableV2",
    "While",
];

/// Every operator that TensorFlow knows, and whether it may change state.
#[derive(Debug)]
pub(super) struct Operators(HashMap<String, bool>);

impl Operators {
    /// # Errors
    /// `load_failed` when the serialized `OpList` is malformed.
    pub(super) fn read(message: &[u8]) -> Result<Self> {
        let mut operators = HashMap::new();
        for field in fields(message) {
            if let (1, op) = field? {
                let op = op.bytes()?;
                let name = first_text(op)?;
                let may_change = touches_state(op)? && !READERS.contains(&name);
                operators.insert(name.to_owned(), may_change);
            }
        }
        Ok(Self(operators))
    }

    fn may_change(&self, op: &str) -> bool {
        self.0.get(op).copied().unwrap_or(true)
    }
}

/// Whether an `OpDef` is marked as stateful (17), or has an input (2) that is a reference (16).
fn touches_state(op: &[u8]) -> Result<bool> {
    for field in fields(op) {
        match field? {
            (17, stateful) if stateful.number()? != 0 => return Ok(true),
            (2, input) => {
                for field in fields(input.bytes()?) {
                    if matches!(field?, (16, reference) if reference.number()? != 0) {
                        return Ok(true);
                    }
                }
            }
            _ => {}
        }
    }
    Ok(false)
}

/// The operator by which fetching `fetches` while feeding `feeds`, both names of tensors, may change state.
pub(super) fn find_change(
    graph: &MetaGraph<'_>,
    operators: &Operators,
    feeds: &[&str],
    fetches: &[&str],
) -> Option<String> {
    let search = Search { graph, operators };
    let is_fed = |input: &str| feeds.iter().any(|feed| is_same_tensor(feed, input));
    let mut waiting: Vec<&str> = fetches.to_vec();
    let (mut seen, mut functions) = (HashSet::new(), HashSet::new());
    while let Some(input) = waiting.pop() {
        let name = node_name(input);
        if is_fed(input) || !seen.insert(name) {
            continue;
        }
        let Some(node) = graph.nodes.get(name) else {
            continue;
        };
        if let Some(op) = search.change_of(node, &mut functions) {
            return Some(op.to_owned());
        }
        waiting.extend(&node.inputs);
    }
    None
}

struct Search<'graph, 'message> {
    graph: &'graph MetaGraph<'message>,
    operators: &'graph Operators,
}

impl<'message> Search<'_, 'message> {
    /// The operator that may change state: this one, or one of a function that it calls. Of a function all operators
    /// count, used or not. `seen` holds those functions that were looked into.
    fn change_of(
        &self,
        node: &Node<'message>,
        seen: &mut HashSet<&'message str>,
    ) -> Option<&'message str> {
        let mut waiting = Vec::new();
        if let Some(op) = self.look_at(node, &mut waiting) {
            return Some(op);
        }
        while let Some(function) = waiting.pop() {
            if !seen.insert(function) {
                continue;
            }
            for node in self.graph.functions.get(function).into_iter().flatten() {
                if let Some(op) = self.look_at(node, &mut waiting) {
                    return Some(op);
                }
            }
        }
        None
    }

    /// Judges one operator and notes which functions it calls; one may stand where an operator's name does.
    fn look_at(
        &self,
        node: &Node<'message>,
        calls: &mut Vec<&'message str>,
    ) -> Option<&'message str> {
        calls.extend(&node.functions);
        if self.graph.functions.contains_key(node.op) {
            calls.push(node.op);
            return None;
        }
        self.operators.may_change(node.op).then_some(node.op)
    }
}

/// `name` is short for `name:0`; `^name` is no tensor.
fn is_same_tensor(left: &str, right: &str) -> bool {
    left.strip_suffix(":0").unwrap_or(left) == right.strip_suffix(":0").unwrap_or(right)
}

/// `^name`, `name:1` and `name` are all of the node `name`.
fn node_name(input: &str) -> &str {
    let name = input.strip_prefix('^').unwrap_or(input);
    name.split_once(':').map_or(name, |(name, _)| name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn operators() -> Operators {
        let may_change = [
            ("Add", false),
            ("ReadVariableOp", false),
            ("Assign", true),
            ("If", false),
        ];
        Operators(may_change.map(|(name, may)| (name.to_owned(), may)).into())
    }

    fn node<'a>(name: &'a str, op: &'a str, inputs: &[&'a str], functions: &[&'a str]) -> Node<'a> {
        Node {
            name,
            op,
            inputs: inputs.to_vec(),
            functions: functions.to_vec(),
        }
    }

    fn graph<'a>(nodes: Vec<Node<'a>>, functions: Vec<(&'a str, Vec<Node<'a>>)>) -> MetaGraph<'a> {
        MetaGraph {
            nodes: nodes.into_iter().map(|node| (node.name, node)).collect(),
            functions: functions.into_iter().collect(),
            ..MetaGraph::default()
        }
    }

    #[test]
    fn only_what_the_fetches_depend_on_counts() {
        let graph = graph(
            vec![
                node("x", "Placeholder", &[], &[]),
                node("v", "ReadVariableOp", &[], &[]),
                node("write", "Assign", &["v", "x"], &[]),
                node("y", "Add", &["x", "v"], &[]),
                node("z", "Add", &["x", "v", "^write"], &[]),
                node("behind", "Add", &["z:0", "y"], &[]),
            ],
            Vec::new(),
        );
        let find = |feeds: &[&str], fetch| find_change(&graph, &operators(), feeds, &[fetch]);
        assert_eq!(find(&["x:0"], "y:0"), None);
        assert_eq!(find(&["x:0"], "z:0").as_deref(), Some("Assign"));
        assert_eq!(find(&["x:0"], "behind").as_deref(), Some("Assign"));
        // What is fed is not computed, and neither is what it would depend on.
        assert_eq!(find(&["x:0", "z:0"], "behind"), None);
        // An unknown operator may do anything.
        assert_eq!(find(&[], "y:0").as_deref(), Some("Placeholder"));
    }

    #[test]
    fn functions_are_looked_into_also_where_they_call_each_other_in_a_circle() {
        let functions = |last: &'static str| {
            vec![
                ("f", vec![node("call", "g", &[], &[])]),
                ("g", vec![node("n", "If", &[], &["f", "h"])]),
                ("h", vec![node("n", last, &[], &[])]),
            ]
        };
        for (last, want) in [("Add", None), ("Assign", Some("Assign"))] {
            let nodes = vec![node("y", "If", &[], &["f"])];
            let graph = graph(nodes, functions(last));
            let found = find_change(&graph, &operators(), &[], &["y:0"]);
            assert_eq!(found.as_deref(), want);
        }
    }
}
