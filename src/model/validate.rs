//! What a model has to satisfy, wherever it came from.

use super::{Model, ModelError};
use inferproof_circuits::network::{Architecture, NodeId, Op};

/// Most elements of all tensors of a model together.
pub const MAX_ELEMENTS: usize = 1 << 28;
/// Most bytes of a model's or a node's name.
pub const MAX_NAME: usize = 1 << 10;

impl Model {
    /// Whether all parts belong together: what every model read from a file satisfies.
    ///
    /// Cost: one pass over the weights.
    ///
    /// # Errors
    /// [`ModelError::Network`], [`ModelError::Inconsistent`].
    pub fn validate(&self) -> Result<(), ModelError> {
        check_name("-", &self.name)?;
        check_architecture(&self.architecture)?;
        let (expected, got) = (self.architecture.nodes.len(), self.tensor_scales.len());
        check(expected == got, "-", || (format!("{expected} scales, one a node"), got.to_string()))?;
        self.check_scales()?;
        let affine = |id: &&NodeId| matches!(self.architecture.nodes.get(**id).map(|n| &n.op), Some(Op::Affine { .. }));
        let stray = self.weights.layers.keys().find(|id| !affine(id));
        check(stray.is_none(), "-", || ("weights of affine nodes only".into(), format!("some of node {stray:?}")))?;
        Ok(self.architecture.validate_weights(&self.weights)?)
    }

    fn check_scales(&self) -> Result<(), ModelError> {
        for (node, &scale) in self.architecture.nodes.iter().zip(&self.tensor_scales) {
            check(scale.is_normal() && scale > 0.0, &node.name, || ("a positive scale".into(), scale.to_string()))?;
            if matches!(node.op, Op::Input | Op::Affine { .. } | Op::BeforeMax { .. }) {
                continue;
            }
            for input in node.op.inputs() {
                let operand = self.tensor_scales[input];
                check(scale == operand, &node.name, || (format!("its operand's scale {operand}"), scale.to_string()))?;
            }
        }
        Ok(())
    }
}

/// What the public part of a model has to satisfy.
pub(crate) fn check_architecture(architecture: &Architecture) -> Result<(), ModelError> {
    architecture.validate()?;
    let mut elements = 0usize;
    for node in &architecture.nodes {
        check_name(&node.name, &node.name)?;
        // Real 0 is an integer of every tensor.
        let range = node.range;
        check(range.contains(0), &node.name, || {
            ("a range with 0 in it".into(), format!("[{}, {}]", range.lo, range.hi))
        })?;
        // Validation bounds each tensor, so the sum cannot overflow before the limit is seen.
        elements += node.len();
        check(elements <= MAX_ELEMENTS, &node.name, || {
            (format!("at most {MAX_ELEMENTS} elements in all tensors up to here"), elements.to_string())
        })?;
    }
    Ok(())
}

fn check(holds: bool, node: &str, fault: impl FnOnce() -> (String, String)) -> Result<(), ModelError> {
    if holds {
        return Ok(());
    }
    let (expected, got) = fault();
    Err(ModelError::Inconsistent { node: node.into(), expected, got })
}

/// Names reach terminals and logs.
fn check_name(node: &str, name: &str) -> Result<(), ModelError> {
    let is_fine = name.len() <= MAX_NAME && !name.contains(char::is_control);
    check(is_fine, &node.escape_debug().take(80).collect::<String>(), || {
        (format!("a name of at most {MAX_NAME} bytes without control characters"), format!("{} bytes", name.len()))
    })
}
