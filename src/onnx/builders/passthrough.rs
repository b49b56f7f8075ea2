//! Operators that compute nothing at inference: `Identity`, `Dropout` and `Constant`.

use crate::onnx::constant::{Constant, Data};
use crate::onnx::context::{Built, Context, Stop};

/// Another name for its input.
pub(in crate::onnx) fn identity(context: &mut Context<'_>) -> Result<Built, Stop> {
    context.finish_attributes()?;
    same(context, 1)
}

/// Another name for its input, as long as it is not in training mode.
pub(in crate::onnx) fn dropout(context: &mut Context<'_>) -> Result<Built, Stop> {
    context.ignore("ratio");
    context.ignore("seed");
    context.finish_attributes()?;
    if let Some(switch) = context.optional_constant(2)?
        && switch.data != Data::Bool(vec![false])
    {
        let reason = "got a training mode other than false, expected inference; export the model in inference mode";
        return Err(context.refuse(None, reason));
    }
    same(context, 3)
}

fn same(context: &mut Context<'_>, most: usize) -> Result<Built, Stop> {
    context.expect_inputs(1, most)?;
    Ok(Built::Same(context.required(0)?))
}

/// A tensor that stands in an attribute.
pub(in crate::onnx) fn constant(context: &mut Context<'_>) -> Result<Built, Stop> {
    let tensor = context.tensor("value");
    let float = context.has("value_float").then(|| context.float("value_float", 0.0));
    let floats = context.floats("value_floats");
    let int = context.has("value_int").then(|| context.int("value_int", 0));
    let ints = context.ints("value_ints");
    context.finish_attributes()?;
    context.expect_inputs(0, 0)?;
    let name = context.name.clone();
    match (tensor, float, floats, int, ints) {
        (Some(tensor), None, None, None, None) => Built::constant(Constant::read(tensor, &name)?),
        (None, Some(value), None, None, None) => Built::constant(Constant::from_floats(&name, vec![], vec![value])?),
        (None, None, Some(values), None, None) => {
            Built::constant(Constant::from_floats(&name, vec![values.len()], values.to_vec())?)
        }
        (None, None, None, Some(value), None) => Built::constant(Constant::from_ints(&name, vec![], vec![value])),
        (None, None, None, None, Some(values)) => {
            Built::constant(Constant::from_ints(&name, vec![values.len()], values.to_vec()))
        }
        _ => {
            Err(context.refuse(Some("value"), "expected exactly one of the `value` attributes; export the model again"))
        }
    }
}
