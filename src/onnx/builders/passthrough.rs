//! Operators that compute nothing at inference: `Identity`, `Dropout` and, between floats, `Cast`.

use ndarray::{ArrayD, arr0};
use tract_onnx::pb::tensor_proto::DataType;

use crate::onnx::constant::{Constant, Data};
use crate::onnx::context::{Built, Context, Stop, Tensor};
use crate::onnx::draft::Operand;
use crate::onnx::integers::{IntegerType, Integers};

/// Another name for its input.
pub(in crate::onnx) fn identity(context: &mut Context<'_>) -> Result<Built, Stop> {
    context.finish_attributes()?;
    same(context, 1)
}

/// Another name for its input, as long as it is not in training mode, and a mask that keeps every element.
pub(in crate::onnx) fn dropout(context: &mut Context<'_>) -> Result<Built, Stop> {
    context.ignore("ratio");
    context.ignore("seed");
    context.finish_attributes()?;
    if let Some(switch) = context.optional_constant(2)?
        && switch.data != Data::Bool(arr0(false).into_dyn())
    {
        let reason = "got a training mode other than false, expected inference; export the model in inference mode";
        return Err(context.refuse(None, reason));
    }
    context.expect_inputs(1, 3)?;
    match context.any(0)? {
        Tensor::Activation(x) if context.outputs.get(1) == Some(&true) => {
            let kept = Constant::new("mask", Data::Float(ArrayD::ones(x.shape.as_slice())))?;
            let mask = context.materialise(&kept, &x)?;
            Ok(Built(vec![x.into(), mask.into()]))
        }
        x => Ok(x.into()),
    }
}

fn same(context: &mut Context<'_>, most: usize) -> Result<Built, Stop> {
    context.expect_inputs(1, most)?;
    Ok(context.any(0)?.into())
}

/// Another element type. Float activations stay what they are, integers may become floats or get more bits, and
/// constants are converted.
pub(in crate::onnx) fn cast(context: &mut Context<'_>) -> Result<Built, Stop> {
    let to = context.required_int("to");
    // How to round to types of eight bits, which are refused.
    context.ignore("saturate");
    context.ignore("round_mode");
    context.finish_attributes()?;
    context.expect_inputs(1, 1)?;
    let kind = i32::try_from(to).ok().and_then(|to| DataType::try_from(to).ok());
    let input = context.any(0)?;
    if let Tensor::Activation(x) = &input
        && let (Some(own), Some(kind)) = (x.integers, IntegerType::from_number(to))
        && kind.holds(own.kind)
    {
        return Ok(Operand { integers: Some(Integers { kind, ..own }), ..x.clone() }.into());
    }
    match (input, kind) {
        (Tensor::Activation(x), Some(DataType::Float | DataType::Double)) => match x.integers {
            None => Ok(x.into()),
            Some(own) => Ok(context.dequantised(&x, own, 1.0, 0)?.into()),
        },
        (Tensor::Constant(constant), Some(DataType::Float | DataType::Double)) => Ok(constant.to_floats()?.into()),
        (Tensor::Constant(constant), Some(DataType::Int64 | DataType::Int32)) => Ok(constant.to_ints()?.into()),
        (Tensor::Constant(constant), Some(DataType::Bool)) => Ok(constant.to_bools()?.into()),
        (input, kind) => {
            let got = kind.map_or(format!("number {to}"), |kind| kind.as_str_name().to_owned());
            let expected = match input {
                Tensor::Activation(Operand { integers: None, .. }) => {
                    "FLOAT or DOUBLE for a value computed from the network's input"
                }
                Tensor::Activation(_) => "FLOAT, DOUBLE or an integer type of at most 32 bits that holds every value",
                Tensor::Constant(_) => "FLOAT, DOUBLE, INT64, INT32 or BOOL",
            };
            Err(context.refuse_value("to", &got, expected, "remove the cast"))
        }
    }
}
