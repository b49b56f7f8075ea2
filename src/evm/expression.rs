//! Polynomial expressions as nested EVM arithmetic, with what occurs twice kept in memory.

use crate::artefact::encode_fr;
use ff::Field;
use halo2_proofs::halo2curves::bn256::Fr;
use halo2_proofs::plonk::Expression;
use std::collections::HashMap;

/// Deepest nesting of calls: the stack is reached 16 deep, and each level holds two values.
const MAX_DEPTH: usize = 5;

#[derive(Clone, PartialEq, Eq, Hash)]
enum Node {
    Constant([u8; 32]),
    /// A word of memory, by the name of its address.
    Load(String),
    Negated(usize),
    Sum(usize, usize),
    Product(usize, usize),
}

/// Expressions that share their parts.
#[derive(Default)]
pub(super) struct Arithmetic {
    nodes: Vec<Node>,
    known: HashMap<Node, usize>,
}

/// Where queries of a constraint system are in memory.
pub(super) trait Cells {
    fn advice(&self, column: usize, rotation: i32) -> String;
    fn fixed(&self, column: usize, rotation: i32) -> String;
    fn instance(&self) -> String;
    fn challenge(&self, index: usize) -> String;
}

impl Arithmetic {
    fn node(&mut self, node: Node) -> usize {
        if let Some(id) = self.known.get(&node) {
            return *id;
        }
        self.nodes.push(node.clone());
        self.known.insert(node, self.nodes.len() - 1);
        self.nodes.len() - 1
    }

    pub(super) fn constant(&mut self, value: Fr) -> usize {
        self.node(Node::Constant(encode_fr(&value)))
    }

    pub(super) fn load(&mut self, name: &str) -> usize {
        self.node(Node::Load(name.into()))
    }

    pub(super) fn negated(&mut self, a: usize) -> usize {
        match self.nodes[a] {
            Node::Negated(inner) => inner,
            _ => self.node(Node::Negated(a)),
        }
    }

    pub(super) fn sum(&mut self, a: usize, b: usize) -> usize {
        self.node(Node::Sum(a.min(b), a.max(b)))
    }

    pub(super) fn difference(&mut self, a: usize, b: usize) -> usize {
        let b = self.negated(b);
        self.sum(a, b)
    }

    pub(super) fn product(&mut self, a: usize, b: usize) -> usize {
        self.node(Node::Product(a.min(b), a.max(b)))
    }

    /// The node of an expression of a constraint system.
    pub(super) fn expression(&mut self, expression: &Expression<Fr>, cells: &impl Cells) -> usize {
        match expression {
            Expression::Constant(value) => self.constant(*value),
            Expression::Selector(_) => unreachable!("the machine has no selectors"),
            Expression::Fixed(q) => self.load(&cells.fixed(q.column_index(), q.rotation().0)),
            Expression::Advice(q) => self.load(&cells.advice(q.column_index(), q.rotation().0)),
            Expression::Instance(_) => self.load(&cells.instance()),
            Expression::Challenge(c) => self.load(&cells.challenge(c.index())),
            Expression::Negated(a) => {
                let a = self.expression(a, cells);
                self.negated(a)
            }
            Expression::Sum(a, b) => {
                let (a, b) = (self.expression(a, cells), self.expression(b, cells));
                self.sum(a, b)
            }
            Expression::Product(a, b) => {
                let (a, b) = (self.expression(a, cells), self.expression(b, cells));
                self.product(a, b)
            }
            Expression::Scaled(a, factor) => {
                let a = self.expression(a, cells);
                if *factor == -Fr::ONE {
                    return self.negated(a);
                }
                let factor = self.constant(*factor);
                self.product(a, factor)
            }
        }
    }

    /// Code that computes `roots` in order: before each, the lines that store what is used again.
    ///
    /// `temporary` names the address of the `i`-th stored word.
    pub(super) fn code(&self, roots: &[usize], temporary: impl Fn(usize) -> String) -> Vec<(Vec<String>, String)> {
        let mut uses = vec![0usize; self.nodes.len()];
        for (id, node) in self.nodes.iter().enumerate().rev() {
            // Nodes come after their operands, so the uses of this one are counted by now.
            uses[id] += roots.iter().filter(|root| **root == id).count();
            if uses[id] > 0 {
                match node {
                    Node::Negated(a) => uses[*a] += 1,
                    Node::Sum(a, b) | Node::Product(a, b) => [a, b].iter().for_each(|o| uses[**o] += 1),
                    Node::Constant(_) | Node::Load(_) => {}
                }
            }
        }
        let mut writer = Code { nodes: &self.nodes, uses, stored: HashMap::new(), temporary, lines: vec![] };
        roots
            .iter()
            .map(|root| {
                let text = writer.value(*root, 0).0;
                (std::mem::take(&mut writer.lines), text)
            })
            .collect()
    }
}

struct Code<'a, F> {
    nodes: &'a [Node],
    uses: Vec<usize>,
    stored: HashMap<usize, String>,
    temporary: F,
    lines: Vec<String>,
}

impl<F: Fn(usize) -> String> Code<'_, F> {
    /// The text of a node and how deep its calls nest. A negated value may be the modulus itself; sums and
    /// products reduce it.
    fn value(&mut self, id: usize, level: usize) -> (String, usize) {
        if let Some(address) = self.stored.get(&id) {
            return (format!("mload({address})"), 1);
        }
        let (text, depth) = match &self.nodes[id] {
            Node::Constant(bytes) => (short_hex(bytes), 0),
            Node::Load(name) => (format!("mload({name})"), 1),
            Node::Negated(a) => {
                let (a, depth) = self.value(*a, level + 1);
                (format!("sub(r, {a})"), depth + 1)
            }
            Node::Sum(a, b) => {
                let ((a, left), (b, right)) = (self.value(*a, level + 1), self.value(*b, level + 1));
                (format!("addmod({a}, {b}, r)"), left.max(right) + 1)
            }
            Node::Product(a, b) => {
                let ((a, left), (b, right)) = (self.value(*a, level + 1), self.value(*b, level + 1));
                (format!("mulmod({a}, {b}, r)"), left.max(right) + 1)
            }
        };
        let compound = matches!(self.nodes[id], Node::Sum(..) | Node::Product(..));
        let again = self.uses[id] > 1 && compound;
        if level > 0 && (again || (compound && depth >= MAX_DEPTH)) {
            let address = (self.temporary)(self.stored.len());
            self.lines.push(format!("mstore({address}, {text})"));
            self.stored.insert(id, address.clone());
            return (format!("mload({address})"), 1);
        }
        (text, depth)
    }
}

/// A constant without leading zeros.
fn short_hex(bytes: &[u8; 32]) -> String {
    let text = hex::encode(bytes);
    let text = text.trim_start_matches('0');
    if text.len() <= 2 {
        return u8::from_str_radix(if text.is_empty() { "0" } else { text }, 16).expect("two digits").to_string();
    }
    format!("0x{text}")
}
