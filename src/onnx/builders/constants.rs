//! Operators that make constants: `Constant` and `ConstantOfShape`.

use ndarray::{Array1, arr0};

use super::expand::sizes;
use crate::onnx::constant::{Constant, Data};
use crate::onnx::context::{Built, Context, Stop};

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
    let data = match (tensor, float, floats, int, ints) {
        (Some(tensor), None, None, None, None) => return Ok(Constant::read(tensor, &name)?.into()),
        (None, Some(value), None, None, None) => Data::Float(arr0(value).into_dyn()),
        (None, None, Some(values), None, None) => Data::Float(Array1::from(values.to_vec()).into_dyn()),
        (None, None, None, Some(value), None) => Data::Int(arr0(value).into_dyn()),
        (None, None, None, None, Some(values)) => Data::Int(Array1::from(values.to_vec()).into_dyn()),
        _ => {
            let reason = "expected exactly one of the `value` attributes; export the model again";
            return Err(context.refuse(Some("value"), reason));
        }
    };
    Ok(Constant::new(&name, data)?.into())
}

/// A tensor of a constant shape filled with one value.
pub(in crate::onnx) fn constant_of_shape(context: &mut Context<'_>) -> Result<Built, Stop> {
    let value = context.tensor("value");
    context.finish_attributes()?;
    context.expect_inputs(1, 1)?;
    let shape = sizes(context, 0)?;
    let value = match value {
        Some(tensor) => Constant::read(tensor, &context.name)?,
        None => Constant::new(&context.name, Data::Float(arr0(0.0).into_dyn()))?,
    };
    Ok(value.filling(&shape)?.into())
}
