//! `QuantizeLinear` and `DequantizeLinear`: from floats to integers of a few bits and back.

use tract_onnx::pb::tensor_proto::DataType;

use crate::onnx::context::{Built, Context, Stop, Tensor};
use crate::onnx::integers::{INTEGERS, IntegerType, Integers};

/// Integers `q` such that `(q - zero point) * scale` is nearest to the input.
pub(in crate::onnx) fn quantize_linear(context: &mut Context<'_>) -> Result<Built, Stop> {
    let axis = context.int("axis", 1);
    let asked = context.int("output_dtype", 0);
    // How floats of eight bits are rounded, and in what precision the quotient is: single, as the input.
    context.ignore("saturate");
    context.ignore("precision");
    context.require_int("block_size", 0, "quantise per tensor or per axis");
    context.finish_attributes()?;
    context.expect_inputs(2, 3)?;
    let x = context.any(0)?;
    let zero_points = context.zero_points(2)?;
    let kind = output_type(context, asked, zero_points.as_ref().map(|(_, kind)| *kind))?;
    context.constant(1)?.floats()?;
    match x {
        Tensor::Activation(x) => {
            let scale = context.scale(1)?;
            let zero_point = context.zero_point(2)?.map_or(0, |(point, _)| point);
            let x = match x.integers {
                Some(own) => context.dequantised(&x, own, 1.0, 0)?,
                None => x,
            };
            Ok(context.quantised(&x, Integers { scale, zero_point, kind })?.into())
        }
        Tensor::Constant(constant) => {
            let scales = context.scales(1)?;
            let points = zero_points.map_or_else(|| vec![0], |(points, _)| points);
            let axis = scale_axis(context, axis, constant.shape.len(), &scales)?;
            Ok(constant.quantised(&scales, &points, axis, kind)?.into())
        }
    }
}

/// The type of the result: that of the zero point, or the one that is asked for.
fn output_type(context: &mut Context<'_>, asked: i64, given: Option<IntegerType>) -> Result<IntegerType, Stop> {
    let kind = match (asked, given) {
        (0, given) => Some(given.unwrap_or(IntegerType::Uint8)),
        (asked, given) => IntegerType::from_number(asked).filter(|&asked| given.is_none_or(|given| given == asked)),
    };
    match kind {
        Some(kind) if kind != IntegerType::Int32 => Ok(kind),
        _ => {
            let got = kind.map_or_else(|| format!("type number {asked}"), |kind| kind.name().to_owned());
            let expected = "UINT8, INT8, UINT16 or INT16, as the zero point if there is one";
            Err(context.refuse_value("output_dtype", &got, expected, "quantise to another type"))
        }
    }
}

/// The axis along which there is more than one scale. One scale is for all, whatever the attribute says.
fn scale_axis(context: &Context<'_>, axis: i64, rank: usize, scales: &[f32]) -> Result<usize, Stop> {
    if scales.len() == 1 && context.axis(axis, rank).is_err() { Ok(0) } else { context.axis(axis, rank) }
}

/// `(q - zero point) * scale`.
pub(in crate::onnx) fn dequantize_linear(context: &mut Context<'_>) -> Result<Built, Stop> {
    let axis = context.int("axis", 1);
    let asked = context.int("output_dtype", 0);
    if ![0, DataType::Float as i64, DataType::Double as i64].contains(&asked) {
        context.refuse_value(
            "output_dtype",
            &format!("type number {asked}"),
            "FLOAT",
            "dequantise to single precision",
        );
    }
    context.require_int("block_size", 0, "quantise per tensor or per axis");
    context.finish_attributes()?;
    context.expect_inputs(2, 3)?;
    // A scale of half precision asks for a result of half precision.
    context.constant(1)?.floats()?;
    match context.any(0)? {
        Tensor::Activation(_) => {
            let (x, own) = context.integer_activation(0)?;
            let scale = context.scale(1)?;
            let zero_point = context.zero_point(2)?.map_or(0, |(point, _)| point);
            Ok(context.dequantised(&x, own, scale, zero_point)?.into())
        }
        Tensor::Constant(constant) => {
            if IntegerType::from_name(&constant.kind).is_none() {
                return Err(constant.type_error(INTEGERS).into());
            }
            let scales = context.scales(1)?;
            let points = context.zero_points(2)?.map_or_else(|| vec![0], |(points, _)| points);
            let axis = scale_axis(context, axis, constant.shape.len(), &scales)?;
            Ok(context.weights(0, &scales, &points, axis)?.into())
        }
    }
}
