//! `Add` and `Relu`.

use ndarray::{ArrayD, IxDyn};

use crate::graph::{NodeId, Op};
use crate::onnx::constant::Constant;
use crate::onnx::context::{Built, Context, Stop, Value};

/// `max(x, 0)`.
pub(in crate::onnx) fn relu(context: &mut Context<'_>) -> Result<Built, Stop> {
    context.finish_attributes()?;
    context.expect_inputs(1, 1)?;
    let (input, _) = context.activation(0)?;
    Built::node(Op::Relu, vec![input])
}

/// Two activations of one shape, or an activation and a constant that broadcasts to it.
pub(in crate::onnx) fn add(context: &mut Context<'_>) -> Result<Built, Stop> {
    context.finish_attributes()?;
    context.expect_inputs(2, 2)?;
    match (context.required(0)?, context.required(1)?) {
        (Value::Activation { id: left, shape }, Value::Activation { id: right, shape: other }) => {
            if shape != other {
                let reason = format!(
                    "got two activations of shapes {shape:?} and {other:?} behind the batch axis, expected equal ones; \
                     expand the smaller before the export"
                );
                return Err(context.refuse(None, reason));
            }
            Built::node(Op::Add, vec![left, right])
        }
        (Value::Activation { id, shape }, Value::Constant(constant))
        | (Value::Constant(constant), Value::Activation { id, shape }) => add_constant(context, id, &shape, &constant),
        _ => {
            let reason = "got two constants, expected at least one activation; fold constants before the export";
            Err(context.refuse(None, reason))
        }
    }
}

fn add_constant(context: &mut Context<'_>, input: NodeId, shape: &[usize], constant: &Constant) -> Result<Built, Stop> {
    let values = constant.floats()?;
    let Some(own) = without_batch_axis(values.shape(), shape.len()) else {
        let reason = format!(
            "the constant `{}` has the shape {:?}, expected one that broadcasts to [1, ..] of shape {shape:?}; \
             a constant may not enlarge the activation",
            constant.name, constant.shape
        );
        return Err(context.refuse(None, reason));
    };
    let aligned = values.to_shape(IxDyn(&own)).ok();
    let Some(full) = aligned.as_ref().and_then(|values| values.broadcast(IxDyn(shape))) else {
        let got = format!("`{}` of shape {:?}", constant.name, constant.shape);
        return Err(context.shape_error(format!("a constant that broadcasts to {shape:?}"), got));
    };
    let is_per_channel = own.iter().skip(1).all(|&size| size == 1);
    if !is_per_channel {
        let values: ArrayD<f32> = full.as_standard_layout().into_owned();
        return Built::node(Op::AddConstant { values }, vec![input]);
    }
    let channels = shape.first().copied().unwrap_or(0);
    let shift: Vec<f32> = match values.len() {
        1 => values.iter().cycle().take(channels).copied().collect(),
        _ => values.iter().copied().collect(),
    };
    Built::node(Op::ScaleShift { scale: vec![1.0; channels], shift }, vec![input])
}

/// Aligns a constant's shape on the right, as broadcasting does, and takes the batch axis off: exactly `rank` axes are
/// left. `None` if the constant has more axes, or more than one entry on the batch axis.
fn without_batch_axis(shape: &[usize], rank: usize) -> Option<Vec<usize>> {
    let inner = match shape.len().checked_sub(rank + 1) {
        Some(0) if shape.first() == Some(&1) => shape.get(1..)?,
        Some(_) => return None,
        None => shape,
    };
    let mut aligned = vec![1; rank - inner.len()];
    aligned.extend_from_slice(inner);
    Some(aligned)
}
