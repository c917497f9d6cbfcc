//! The parts of a `MetaGraphDef` that are of interest: signatures, assets, and which operator feeds which.

use std::collections::HashMap;

use turnout_core::Result;

use super::wire::{fields, map_entry};

/// A loaded graph as TensorFlow describes it.
#[derive(Debug, Default)]
pub(super) struct MetaGraph<'message> {
    /// Serialized `SignatureDef`s by name.
    pub(super) signatures: Vec<(&'message str, &'message [u8])>,
    /// Whether it names files that operators may open.
    pub(super) has_assets: bool,
    pub(super) nodes: HashMap<&'message str, Node<'message>>,
    pub(super) functions: HashMap<&'message str, Vec<Node<'message>>>,
}

/// One operator of a graph or of a function.
#[derive(Debug, Default)]
pub(super) struct Node<'message> {
    pub(super) name: &'message str,
    pub(super) op: &'message str,
    /// `name`, `name:index` or, where only the order counts, `^name`.
    pub(super) inputs: Vec<&'message str>,
    /// Functions that its attributes name.
    pub(super) functions: Vec<&'message str>,
}

impl<'message> MetaGraph<'message> {
    /// # Errors
    /// `load_failed` when the message is malformed.
    pub(super) fn read(message: &'message [u8]) -> Result<Self> {
        let mut graph = Self::default();
        for field in fields(message) {
            match field? {
                (2, field) => graph.read_graph(field.bytes()?)?,
                (5, field) => graph.signatures.push(map_entry(field.bytes()?)?),
                (6, _) => graph.has_assets = true,
                _ => {}
            }
        }
        Ok(graph)
    }

    fn read_graph(&mut self, message: &'message [u8]) -> Result<()> {
        for field in fields(message) {
            match field? {
                (1, field) => {
                    let node = Node::read(field.bytes()?)?;
                    self.nodes.insert(node.name, node);
                }
                (2, field) => self.read_library(field.bytes()?)?,
                _ => {}
            }
        }
        Ok(())
    }

    fn read_library(&mut self, message: &'message [u8]) -> Result<()> {
        for field in fields(message) {
            if let (1, function) = field? {
                let (name, nodes) = read_function(function.bytes()?)?;
                self.functions.insert(name, nodes);
            }
        }
        Ok(())
    }
}

/// The name that a function's `OpDef` has, and its body.
fn read_function(message: &[u8]) -> Result<(&str, Vec<Node<'_>>)> {
    let (mut name, mut nodes) = ("", Vec::new());
    for field in fields(message) {
        match field? {
            (1, signature) => name = first_text(signature.bytes()?)?,
            (3, node) => nodes.push(Node::read(node.bytes()?)?),
            _ => {}
        }
    }
    Ok((name, nodes))
}

impl<'message> Node<'message> {
    fn read(message: &'message [u8]) -> Result<Self> {
        let mut node = Self::default();
        for field in fields(message) {
            match field? {
                (1, field) => node.name = field.text()?,
                (2, field) => node.op = field.text()?,
                (3, field) => node.inputs.push(field.text()?),
                (5, field) => {
                    let (_name, value) = map_entry(field.bytes()?)?;
                    node.read_attribute(value)?;
                }
                _ => {}
            }
        }
        Ok(node)
    }

    /// Of an attribute's value only functions count, one (field 10) or those of a list (1).
    fn read_attribute(&mut self, message: &'message [u8]) -> Result<()> {
        for field in fields(message) {
            match field? {
                (10, function) => self.functions.push(first_text(function.bytes()?)?),
                (1, list) => {
                    for field in fields(list.bytes()?) {
                        if let (9, function) = field? {
                            self.functions.push(first_text(function.bytes()?)?);
                        }
                    }
                }
                _ => {}
            }
        }
        Ok(())
    }
}

/// Field 1 of a message whose first field is its name.
pub(super) fn first_text(message: &[u8]) -> Result<&str> {
    for field in fields(message) {
        if let (1, name) = field? {
            return name.text();
        }
    }
    Ok("")
}
