//! What a builder sees of one node: its attributes, by name and with refusal of the unknown, and its inputs.

use std::collections::BTreeMap;
use std::sync::Arc;

use tract_onnx::pb::attribute_proto::AttributeType;
use tract_onnx::pb::{AttributeProto, NodeProto, TensorProto};

use super::constant::Constant;
use super::error::{OnnxError, Unsupported, printable};
use crate::graph::{NodeId, Op};

/// What stands behind a tensor name while the graph is built.
#[derive(Debug, Clone)]
pub(super) enum Value {
    /// An optional input that was left out.
    Absent,
    /// Computed from the network's input. The shape leaves out the batch axis, which is 1.
    Activation { id: NodeId, shape: Vec<usize> },
    /// Known at import.
    Constant(Arc<Constant>),
    /// The output of a node that was refused; what uses it cannot be built, and is not reported for that.
    Refused,
    /// An output that is not computed, such as the mask of a `Dropout`.
    SideOutput { producer: String },
}

/// What a builder makes of a node.
pub(super) enum Built {
    /// A new node. The shape is needed only by [`Op::Reshape`].
    Node { op: Box<Op>, inputs: Vec<NodeId>, shape: Vec<usize> },
    /// Another name for a value there is already, or a constant.
    Same(Value),
}

impl Built {
    /// A node whose shape follows from its operands.
    pub fn node(op: Op, inputs: Vec<NodeId>) -> Result<Self, Stop> {
        Ok(Built::Node { op: Box::new(op), inputs, shape: Vec::new() })
    }

    pub fn constant(constant: Constant) -> Result<Self, Stop> {
        Ok(Built::Same(Value::Constant(Arc::new(constant))))
    }
}

/// Why a builder made nothing.
pub(super) enum Stop {
    /// The node is not supported; the context holds the reasons. The import goes on, to report all such nodes.
    Refused,
    /// An input comes from a refused node.
    Upstream,
    /// The model is not valid; the import ends.
    Fatal(OnnxError),
}

impl From<OnnxError> for Stop {
    fn from(error: OnnxError) -> Self {
        Stop::Fatal(error)
    }
}

/// One node of the model while it is built.
pub(super) struct Context<'a> {
    /// Name for messages.
    pub name: String,
    /// Operator for messages.
    pub operator: String,
    /// How many outputs of the node have a name.
    pub outputs: usize,
    attributes: BTreeMap<&'a str, &'a AttributeProto>,
    inputs: Vec<Value>,
    refused: Vec<Unsupported>,
}

impl<'a> Context<'a> {
    pub fn new(node: &'a NodeProto, name: String, operator: String, inputs: Vec<Value>) -> Self {
        let outputs = node.output.iter().filter(|output| !output.is_empty()).count();
        let mut context = Self { name, operator, outputs, attributes: BTreeMap::new(), inputs, refused: Vec::new() };
        for attribute in &node.attribute {
            if context.attributes.insert(&attribute.name, attribute).is_some() {
                context.refuse(Some(&attribute.name), "given twice; export the model again");
            }
        }
        context
    }

    /// The reasons collected so far.
    pub fn into_refused(self) -> Vec<Unsupported> {
        self.refused
    }

    /// Notes a reason for which the node is not supported; return the result to give up on the node.
    pub fn refuse(&mut self, attribute: Option<&str>, reason: impl Into<String>) -> Stop {
        self.refused.push(Unsupported {
            node: self.name.clone(),
            operator: self.operator.clone(),
            attribute: attribute.map(printable),
            reason: reason.into(),
        });
        Stop::Refused
    }

    fn refuse_value(&mut self, attribute: &str, got: &str, expected: &str, remedy: &str) {
        self.refuse(Some(attribute), format!("got {got}, expected {expected}; {remedy}"));
    }

    /// Takes an attribute; what is left in the end is unknown to the builder.
    fn take(&mut self, name: &str, kind: AttributeType) -> Option<&'a AttributeProto> {
        let attribute = self.attributes.remove(name)?;
        // Files older than type tags leave the tag undefined.
        let found = AttributeType::try_from(attribute.r#type);
        if found == Ok(kind) || (found == Ok(AttributeType::Undefined) && attribute.ref_attr_name.is_empty()) {
            return Some(attribute);
        }
        let got = found.map_or("an unknown type", |found| found.as_str_name());
        self.refuse_value(name, got, kind.as_str_name(), "export the model again");
        None
    }

    /// An integer attribute, or the default if it is missing (or of another type, which is noted).
    pub fn int(&mut self, name: &str, default: i64) -> i64 {
        self.take(name, AttributeType::Int).map_or(default, |attribute| attribute.i)
    }

    /// A float attribute, or the default. Anything but a finite number is noted.
    pub fn float(&mut self, name: &str, default: f32) -> f32 {
        let value = self.take(name, AttributeType::Float).map_or(default, |attribute| attribute.f);
        if value.is_finite() {
            return value;
        }
        self.refuse_value(name, &value.to_string(), "a finite number", "repair the model");
        default
    }

    /// A list of integers, if it is there.
    pub fn ints(&mut self, name: &str) -> Option<&'a [i64]> {
        self.take(name, AttributeType::Ints).map(|attribute| attribute.ints.as_slice())
    }

    /// A list of floats, if it is there.
    pub fn floats(&mut self, name: &str) -> Option<&'a [f32]> {
        self.take(name, AttributeType::Floats).map(|attribute| attribute.floats.as_slice())
    }

    /// A tensor, if it is there.
    pub fn tensor(&mut self, name: &str) -> Option<&'a TensorProto> {
        self.take(name, AttributeType::Tensor).and_then(|attribute| attribute.t.as_ref())
    }

    /// Whether an attribute is given, whatever its type.
    pub fn has(&self, name: &str) -> bool {
        self.attributes.contains_key(name)
    }

    /// Reads an attribute that does not change the result of inference.
    pub fn ignore(&mut self, name: &str) {
        self.attributes.remove(name);
    }

    /// Notes an integer attribute that is there and not `only`.
    pub fn require_int(&mut self, name: &str, only: i64, remedy: &str) {
        let got = self.int(name, only);
        if got != only {
            self.refuse_value(name, &got.to_string(), &only.to_string(), remedy);
        }
    }

    /// Notes a list of integers that is there and not all `only`.
    pub fn require_ints(&mut self, name: &str, only: i64, remedy: &str) {
        if let Some(got) = self.ints(name)
            && got.iter().any(|&value| value != only)
        {
            self.refuse_value(name, &short_list(got), &format!("only {only}s"), remedy);
        }
    }

    /// Notes `auto_pad` if it is there and not `NOTSET`.
    pub fn require_explicit_padding(&mut self) {
        let got = self.take("auto_pad", AttributeType::String).map(|attribute| attribute.s.as_slice());
        if let Some(got) = got.filter(|got| !matches!(*got, b"NOTSET" | b"")) {
            let got = printable(&String::from_utf8_lossy(got));
            self.refuse_value("auto_pad", &got, "NOTSET", "export the model with explicit `pads`");
        }
    }

    /// `N` integers of at least `least`; `default` if they are missing, and `None` (noted) if they are not that.
    pub fn sizes<const N: usize>(
        &mut self,
        name: &str,
        least: usize,
        default: Option<[usize; N]>,
    ) -> Option<[usize; N]> {
        if !self.has(name) {
            if default.is_none() {
                self.refuse(Some(name), format!("missing, expected {N} integers; export the model again"));
            }
            return default;
        }
        let got = self.ints(name)?;
        let sizes: Vec<usize> =
            got.iter().filter_map(|&size| usize::try_from(size).ok()).filter(|&size| size >= least).collect();
        match <[usize; N]>::try_from(sizes) {
            Ok(sizes) if got.len() == N => Some(sizes),
            _ => {
                let expected = format!("{N} integers of at least {least}");
                self.refuse_value(name, &short_list(got), &expected, "only two-dimensional windows are supported");
                None
            }
        }
    }

    /// Call this once all attributes are read: it refuses the rest by name, and a node that had anything noted.
    pub fn finish_attributes(&mut self) -> Result<(), Stop> {
        for name in std::mem::take(&mut self.attributes).into_keys() {
            self.refuse(Some(name), "not known for this operator; remove it or export the model again");
        }
        if self.refused.is_empty() { Ok(()) } else { Err(Stop::Refused) }
    }

    /// Refuses a node with fewer or more inputs than its operator has; trailing absent inputs do not count.
    pub fn expect_inputs(&self, least: usize, most: usize) -> Result<(), Stop> {
        let present = self.inputs.iter().rposition(|input| !matches!(input, Value::Absent)).map_or(0, |last| last + 1);
        if (least..=most).contains(&present) {
            return Ok(());
        }
        Err(Stop::Fatal(OnnxError::malformed(format!(
            "node `{}` ({}) has {present} inputs, expected {least} to {most}",
            self.name, self.operator
        ))))
    }

    /// Input `index` as it is, absent if it was left out, unless it comes from a refused node or is not computed.
    fn input(&mut self, index: usize) -> Result<Value, Stop> {
        match self.inputs.get(index) {
            None | Some(Value::Absent) => Ok(Value::Absent),
            Some(Value::Refused) => Err(Stop::Upstream),
            Some(Value::SideOutput { producer }) => {
                let reason = format!(
                    "input {index} is a second output of node `{producer}`, expected a first output; \
                     remove what uses second outputs"
                );
                Err(self.refuse(None, reason))
            }
            Some(value) => Ok(value.clone()),
        }
    }

    /// Input `index`, which must not be left out.
    pub fn required(&mut self, index: usize) -> Result<Value, Stop> {
        match self.input(index)? {
            Value::Absent => Err(self.missing(index)),
            value => Ok(value),
        }
    }

    /// Input `index`, which must be computed from the network's input: its node and its shape without batch axis.
    pub fn activation(&mut self, index: usize) -> Result<(NodeId, Vec<usize>), Stop> {
        match self.input(index)? {
            Value::Activation { id, shape } => Ok((id, shape)),
            Value::Constant(constant) => {
                let reason = format!(
                    "input {index} is the constant `{}`, expected a value computed from the network's input; \
                     fold constants before the export",
                    constant.name
                );
                Err(self.refuse(None, reason))
            }
            _ => Err(self.missing(index)),
        }
    }

    /// Input `index`, which must be a constant.
    pub fn constant(&mut self, index: usize) -> Result<Arc<Constant>, Stop> {
        match self.optional_constant(index)? {
            Some(constant) => Ok(constant),
            None => Err(self.missing(index)),
        }
    }

    /// Input `index`, which must be a constant if it is there.
    pub fn optional_constant(&mut self, index: usize) -> Result<Option<Arc<Constant>>, Stop> {
        match self.input(index)? {
            Value::Constant(constant) => Ok(Some(constant)),
            Value::Activation { .. } => {
                let reason = format!(
                    "input {index} depends on the network's input, expected a constant; \
                     export the model with its weights as initialisers"
                );
                Err(self.refuse(None, reason))
            }
            _ => Ok(None),
        }
    }

    fn missing(&self, index: usize) -> Stop {
        Stop::Fatal(OnnxError::malformed(format!("node `{}` ({}) lacks input {index}", self.name, self.operator)))
    }

    /// The error for shapes that break the rules of the operator.
    pub fn shape_error(&self, expected: impl Into<String>, got: impl Into<String>) -> Stop {
        let fault = crate::graph::ShapeFault { expected: expected.into(), got: got.into() };
        Stop::Fatal(OnnxError::shape(&self.name, &self.operator, fault))
    }
}

/// A list from a file for a message, cut after a few entries.
fn short_list(values: &[i64]) -> String {
    match values.get(..8) {
        Some(start) if values.len() > 8 => format!("{start:?} and {} more", values.len() - 8),
        _ => format!("{values:?}"),
    }
}
