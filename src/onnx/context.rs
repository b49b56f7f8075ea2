//! What a builder sees of one node: its inputs, and the graph that it adds to. Its attributes are in `attributes.rs`.

use std::collections::BTreeMap;
use std::sync::Arc;

use tract_onnx::pb::{AttributeProto, NodeProto};

use super::constant::Constant;
use super::draft::{Draft, Operand};
use super::error::{OnnxError, Unsupported, printable};
use crate::graph::ShapeFault;

/// What stands behind a tensor name while the graph is built.
#[derive(Debug, Clone)]
pub(super) enum Value {
    /// An optional input that was left out.
    Absent,
    /// Something to compute with.
    Tensor(Tensor),
    /// The output of a node that was refused; what uses it cannot be built, and is not reported for that.
    Refused,
    /// An output that is not computed, such as the mask of a `Dropout`.
    SideOutput { producer: String },
}

/// A tensor of the model.
#[derive(Debug, Clone)]
pub(super) enum Tensor {
    /// Computed from the network's input.
    Activation(Operand),
    /// Known at import.
    Constant(Arc<Constant>),
}

impl Tensor {
    /// The shape in ONNX.
    pub fn shape(&self) -> &[usize] {
        match self {
            Tensor::Activation(x) => &x.shape,
            Tensor::Constant(constant) => &constant.shape,
        }
    }
}

impl From<Operand> for Tensor {
    fn from(x: Operand) -> Self {
        Tensor::Activation(x)
    }
}

impl From<Constant> for Tensor {
    fn from(constant: Constant) -> Self {
        Tensor::Constant(Arc::new(constant))
    }
}

/// What a builder makes of a node: its outputs from the first on. Those that are missing are not computed.
pub(super) struct Built(pub Vec<Tensor>);

impl<T: Into<Tensor>> From<T> for Built {
    fn from(output: T) -> Self {
        Built(vec![output.into()])
    }
}

/// Why a builder made nothing.
#[derive(Debug)]
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
    /// Version of the standard operators.
    pub opset: i64,
    /// For each output of the node, whether it has a name.
    pub outputs: Vec<bool>,
    pub(super) draft: &'a mut Draft,
    pub(super) attributes: BTreeMap<&'a str, &'a AttributeProto>,
    inputs: Vec<Value>,
    pub(super) refused: Vec<Unsupported>,
}

impl<'a> Context<'a> {
    pub fn new(
        node: &'a NodeProto,
        (name, operator, opset): (String, String, i64),
        inputs: Vec<Value>,
        draft: &'a mut Draft,
    ) -> Self {
        let outputs = node.output.iter().map(|output| !output.is_empty()).collect();
        let (attributes, refused) = (BTreeMap::new(), Vec::new());
        let mut context = Self { name, operator, opset, outputs, draft, attributes, inputs, refused };
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

    /// Refuses a node with fewer or more inputs than its operator has; trailing absent inputs do not count.
    pub fn expect_inputs(&self, least: usize, most: usize) -> Result<(), Stop> {
        let present = self.input_count();
        if (least..=most).contains(&present) {
            return Ok(());
        }
        let most = if most == usize::MAX { "any number".to_owned() } else { most.to_string() };
        Err(Stop::Fatal(OnnxError::malformed(format!(
            "node `{}` ({}) has {present} inputs, expected {least} to {most}",
            self.name, self.operator
        ))))
    }

    fn input_count(&self) -> usize {
        self.inputs.iter().rposition(|input| !matches!(input, Value::Absent)).map_or(0, |last| last + 1)
    }

    /// Input `index`, unless it was left out, comes from a refused node or is not computed.
    fn optional_any(&mut self, index: usize) -> Result<Option<Tensor>, Stop> {
        match self.inputs.get(index) {
            None | Some(Value::Absent) => Ok(None),
            Some(Value::Tensor(tensor)) => Ok(Some(tensor.clone())),
            Some(Value::Refused) => Err(Stop::Upstream),
            Some(Value::SideOutput { producer }) => {
                let reason = format!(
                    "input {index} is a second output of node `{producer}`, expected a first output; \
                     remove what uses second outputs"
                );
                Err(self.refuse(None, reason))
            }
        }
    }

    /// Input `index`, which must not be left out, and may be a tensor of integers computed from the network's input.
    /// For operators that only move elements, and those that know about integers.
    pub fn any(&mut self, index: usize) -> Result<Tensor, Stop> {
        self.optional_any(index)?.ok_or_else(|| self.missing(index))
    }

    /// Input `index`, unless it was left out.
    pub fn optional(&mut self, index: usize) -> Result<Option<Tensor>, Stop> {
        match self.optional_any(index)? {
            Some(Tensor::Activation(Operand { integers: Some(integers), .. })) => {
                let reason = format!(
                    "input {index} is a tensor of type {}, expected a float tensor; dequantise it first",
                    integers.kind.name()
                );
                Err(self.refuse(None, reason))
            }
            input => Ok(input),
        }
    }

    /// Input `index`, which must not be left out.
    pub fn required(&mut self, index: usize) -> Result<Tensor, Stop> {
        self.optional(index)?.ok_or_else(|| self.missing(index))
    }

    /// All inputs of an operator that takes one or more.
    pub fn all_inputs(&mut self) -> Result<Vec<Tensor>, Stop> {
        self.expect_inputs(1, usize::MAX)?;
        (0..self.input_count()).map(|index| self.required(index)).collect()
    }

    /// All inputs of an operator that takes one or more, of which some may be tensors of integers as in [`Self::any`].
    pub fn any_inputs(&mut self) -> Result<Vec<Tensor>, Stop> {
        self.expect_inputs(1, usize::MAX)?;
        (0..self.input_count()).map(|index| self.any(index)).collect()
    }

    /// Input `index`, which must be computed from the network's input.
    pub fn activation(&mut self, index: usize) -> Result<Operand, Stop> {
        let input = self.required(index)?;
        self.not_constant(index, input)
    }

    /// Input `index`, which must be computed from the network's input and may be a tensor of integers as in
    /// [`Self::any`].
    pub fn any_activation(&mut self, index: usize) -> Result<Operand, Stop> {
        let input = self.any(index)?;
        self.not_constant(index, input)
    }

    fn not_constant(&mut self, index: usize, input: Tensor) -> Result<Operand, Stop> {
        match input {
            Tensor::Activation(x) => Ok(x),
            Tensor::Constant(constant) => {
                let reason = format!(
                    "input {index} is the constant `{}`, expected a value computed from the network's input; \
                     fold constants before the export",
                    constant.name
                );
                Err(self.refuse(None, reason))
            }
        }
    }

    /// Input `index`, which must be a constant.
    pub fn constant(&mut self, index: usize) -> Result<Arc<Constant>, Stop> {
        self.optional_constant(index)?.ok_or_else(|| self.missing(index))
    }

    /// Input `index`, which must be a constant if it is there.
    pub fn optional_constant(&mut self, index: usize) -> Result<Option<Arc<Constant>>, Stop> {
        match self.optional_any(index)? {
            Some(Tensor::Constant(constant)) => Ok(Some(constant)),
            None => Ok(None),
            Some(Tensor::Activation(_)) => {
                let reason = format!(
                    "input {index} depends on the network's input, expected a constant; \
                     export the model with its weights as initialisers"
                );
                Err(self.refuse(None, reason))
            }
        }
    }

    /// Input `index`, which must be a constant of one float if it is there.
    pub fn optional_scalar(&mut self, index: usize) -> Result<Option<f32>, Stop> {
        let Some(constant) = self.optional_constant(index)? else { return Ok(None) };
        let values = constant.floats()?;
        match values.first() {
            Some(&value) if values.len() == 1 => Ok(Some(value)),
            _ => Err(self.shape_error("a scalar", format!("`{}` of shape {:?}", constant.name, constant.shape))),
        }
    }

    fn missing(&self, index: usize) -> Stop {
        Stop::Fatal(OnnxError::malformed(format!("node `{}` ({}) lacks input {index}", self.name, self.operator)))
    }

    /// The error for shapes that break the rules of the operator.
    pub fn shape_error(&self, expected: impl Into<String>, got: impl Into<String>) -> Stop {
        let fault = ShapeFault { expected: expected.into(), got: got.into() };
        Stop::Fatal(OnnxError::shape(&self.name, &self.operator, fault))
    }

    /// An axis of a tensor with `rank` of them, where -1 is the last one.
    pub fn axis(&self, axis: i64, rank: usize) -> Result<usize, Stop> {
        let from_front = if axis < 0 { axis.checked_add_unsigned(rank as u64) } else { Some(axis) };
        let found = from_front.and_then(|axis| usize::try_from(axis).ok()).filter(|&axis| axis < rank);
        found.ok_or_else(|| {
            self.shape_error(format!("an axis from -{rank} to {rank} (exclusive)"), format!("axis {axis}"))
        })
    }

    /// Different axes of a tensor with `rank` of them, in the given order.
    pub fn axes(&self, axes: &[i64], rank: usize) -> Result<Vec<usize>, Stop> {
        let mut found = Vec::with_capacity(axes.len().min(rank));
        for &axis in axes {
            let axis = self.axis(axis, rank)?;
            if found.contains(&axis) {
                return Err(self.shape_error("each axis once", format!("axis {axis} twice")));
            }
            found.push(axis);
        }
        Ok(found)
    }
}

/// A list from a file for a message, cut after a few entries.
pub(super) fn short_list<T: std::fmt::Debug>(values: &[T]) -> String {
    match values.get(..8) {
        Some(start) if values.len() > 8 => format!("{start:?} and {} more", values.len() - 8),
        _ => format!("{values:?}"),
    }
}
