//! `QuantizeLinear` and `DequantizeLinear`: from floats to integers of a few bits and back.

use inferproof_circuits::integer::Interval;
use inferproof_circuits::packing::Packing;
use ndarray::{ArrayD, IxDyn};
use tract_onnx::pb::tensor_proto::DataType;

use crate::onnx::context::{Built, Context, Stop, Tensor};
use crate::onnx::draft::Operand;
use crate::onnx::integers::{INTEGERS, IntegerType, Integers};

/// Integers `q` such that `(q - zero point) * scale` is nearest to the input.
pub(in crate::onnx) fn quantize_linear(context: &mut Context<'_>) -> Result<Built, Stop> {
    let axis = context.int("axis", 1);
    let asked = context.int("output_dtype", 0);
    // How floats of eight bits are rounded, and in what precision the quotient is: single, as the input.
    context.ignore("saturate");
    context.ignore("precision");
    let block = context.int("block_size", 0);
    context.finish_attributes()?;
    context.expect_inputs(2, 3)?;
    let x = context.any(0)?;
    let zero_points = context.zero_points(2)?;
    let kind = output_type(context, asked, zero_points.as_ref().map(|(_, kind)| *kind))?;
    context.constant(1)?.floats()?;
    match x {
        Tensor::Activation(x) => {
            let x = match x.integers {
                Some(own) => context.dequantised(&x, own, 1.0, 0)?,
                None => x,
            };
            if let Some(to) = grid(context, kind)? {
                return Ok(context.quantised(&x, to)?.into());
            }
            let [scales, points] = steps(context, &x, axis, block)?;
            let multiples = context.scale_shift(&x, &scales.mapv(f32::recip), &points)?;
            Ok(context.quantised(&multiples, Integers::plain(kind))?.into())
        }
        Tensor::Constant(constant) => {
            refuse_blocks(context, block)?;
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

/// The integers of an activation that has one scale and zero point, if 16 bits hold them once the zero point is taken off. `None` for others:
/// such a tensor is one of real numbers in the network, and its integers are their own real values.
fn grid(context: &mut Context<'_>, kind: IntegerType) -> Result<Option<Integers>, Stop> {
    let (scales, points) = (context.scales(1)?, context.zero_points(2)?.map_or_else(|| vec![0], |(points, _)| points));
    let (&[scale], &[zero_point]) = (scales.as_slice(), points.as_slice()) else { return Ok(None) };
    let (least, greatest) = kind.range();
    let (lo, hi) = (least.saturating_sub(zero_point), greatest.saturating_sub(zero_point));
    let fits = Packing::encodes(Interval::new(lo.into(), hi.into())) || kind == IntegerType::Int32;
    Ok(fits.then_some(Integers { scale, zero_point, kind }))
}

/// Scales and zero points of an activation, in shapes that broadcast to it: one of each, one for each index of an axis, or one for each block of
/// `block` indices of it.
fn steps(context: &mut Context<'_>, x: &Operand, axis: i64, block: i64) -> Result<[ArrayD<f32>; 2], Stop> {
    let scales = context.constant(1)?.floats()?.clone();
    let points = match context.optional_constant(2)? {
        Some(points) => {
            let values = points.ints()?.into_iter().map(|point| point as f32).collect();
            ArrayD::from_shape_vec(points.shape.clone(), values)
                .map_err(|error| context.shape_error("as many zero points as their shape says", error.to_string()))?
        }
        None => ArrayD::zeros(scales.raw_dim()),
    };
    if scales.len() == 1 && points.len() == 1 {
        return Ok([scales, points].map(|values| values.into_shape_with_order(IxDyn(&[])).expect("one value")));
    }
    if block < 0 {
        return Err(context.refuse_value("block_size", &block.to_string(), "0 or more", "export the model again"));
    }
    let axis = context.axis(axis, x.shape.len())?;
    let length = x.shape[axis];
    let mut expected = x.shape.clone();
    if block > 0 {
        expected[axis] = length.div_ceil(block as usize);
    } else {
        expected = vec![length];
    }
    if scales.shape() != expected || points.shape() != expected {
        let got = format!("shapes {:?} and {:?}", scales.shape(), points.shape());
        return Err(context.shape_error(format!("scales and zero points of shape {expected:?}"), got));
    }
    context.fits(&x.shape)?;
    Ok([scales, points].map(|values| {
        if block > 0 {
            ArrayD::from_shape_fn(x.shape.as_slice(), |mut index| {
                index[axis] /= block as usize;
                values[index]
            })
        } else {
            let mut shape = vec![1; x.shape.len()];
            shape[axis] = length;
            values.into_shape_with_order(shape).expect("as many values as the axis is long")
        }
    }))
}

/// Blocks are for activations: weights are quantised per tensor or per axis.
fn refuse_blocks(context: &mut Context<'_>, block: i64) -> Result<(), Stop> {
    if block == 0 {
        return Ok(());
    }
    Err(context.refuse_value("block_size", &block.to_string(), "0", "quantise weights per tensor or per axis"))
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
    let block = context.int("block_size", 0);
    context.finish_attributes()?;
    context.expect_inputs(2, 3)?;
    // A scale of half precision asks for a result of half precision.
    context.constant(1)?.floats()?;
    match context.any(0)? {
        Tensor::Activation(_) => {
            let (x, own) = context.integer_activation(0)?;
            if let Some(to) = grid(context, own.kind)? {
                return Ok(context.dequantised(&x, own, to.scale, to.zero_point)?.into());
            }
            let [scales, points] = steps(context, &x, axis, block)?;
            let q = context.dequantised(&x, own, 1.0, 0)?;
            let centred = context.add_constant(&q, &points.mapv(|point| -point))?;
            Ok(context.mul_constant(&centred, &scales)?.into())
        }
        Tensor::Constant(constant) => {
            if IntegerType::from_name(&constant.kind).is_none() {
                return Err(constant.type_error(INTEGERS).into());
            }
            refuse_blocks(context, block)?;
            let scales = context.scales(1)?;
            let points = context.zero_points(2)?.map_or_else(|| vec![0], |(points, _)| points);
            let axis = scale_axis(context, axis, constant.shape.len(), &scales)?;
            Ok(context.weights(0, &scales, &points, axis)?.into())
        }
    }
}
