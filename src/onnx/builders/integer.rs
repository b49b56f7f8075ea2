//! Layers of integers: `QLinearConv`, `QLinearMatMul`, `ConvInteger` and `MatMulInteger`. Their weights are constant.

use ndarray::Ix1;

use super::convolution::{Convolution, group_count, spatial_lengths};
use super::linear::times_constant;
use super::window::Windows;
use crate::onnx::constant::{Constant, Data};
use crate::onnx::context::{Built, Context, Stop};
use crate::onnx::draft::Operand;
use crate::onnx::integers::{IntegerType, Integers};
use crate::onnx::layer::Layer;

/// Where the inputs stand that say what the integers of an operand mean.
struct Places {
    value: usize,
    scale: Option<usize>,
    zero_point: usize,
}

/// A convolution of quantised images to quantised images.
pub(in crate::onnx) fn qlinear_conv(context: &mut Context<'_>) -> Result<Built, Stop> {
    let places = |value| Places { value, scale: Some(value + 1), zero_point: value + 2 };
    let (windows, groups) = (Windows::read(context), group_count(context));
    context.finish_attributes()?;
    context.expect_inputs(8, 9)?;
    let y = convolution(context, &windows, groups, &places(0), &places(3), 8)?;
    let to = result_type(context, 6, 7)?;
    Ok(context.quantised(&y, to)?.into())
}

/// A convolution of integer images; the sums are of 32 bits.
pub(in crate::onnx) fn conv_integer(context: &mut Context<'_>) -> Result<Built, Stop> {
    let places = |value| Places { value, scale: None, zero_point: value + 2 };
    let (windows, groups) = (Windows::read(context), group_count(context));
    context.finish_attributes()?;
    context.expect_inputs(2, 4)?;
    let y = convolution(context, &windows, groups, &places(0), &places(1), 4)?;
    Ok(sums(y).into())
}

/// A product of a quantised matrix and constant weights, to a quantised matrix.
pub(in crate::onnx) fn qlinear_matmul(context: &mut Context<'_>) -> Result<Built, Stop> {
    let places = |value| Places { value, scale: Some(value + 1), zero_point: value + 2 };
    context.finish_attributes()?;
    context.expect_inputs(8, 8)?;
    let y = matrix_product(context, &places(0), &places(3))?;
    let to = result_type(context, 6, 7)?;
    Ok(context.quantised(&y, to)?.into())
}

/// A product of an integer matrix and constant weights; the sums are of 32 bits.
pub(in crate::onnx) fn matmul_integer(context: &mut Context<'_>) -> Result<Built, Stop> {
    let places = |value| Places { value, scale: None, zero_point: value + 2 };
    context.finish_attributes()?;
    context.expect_inputs(2, 4)?;
    let y = matrix_product(context, &places(0), &places(1))?;
    Ok(sums(y).into())
}

/// Sums of products of integers are their own real values.
fn sums(y: Operand) -> Operand {
    Operand { integers: Some(Integers::plain(IntegerType::Int32)), ..y }
}

/// `bias` is the place of the bias, which need not be there.
fn convolution(
    context: &mut Context<'_>,
    windows: &Windows,
    groups: usize,
    operand: &Places,
    weights: &Places,
    bias: usize,
) -> Result<Operand, Stop> {
    let (x, step) = real_operand(context, operand)?;
    let lengths = spatial_lengths(context, &x)?;
    let weights = real_weights(context, weights, 0)?;
    if weights.shape.len() != x.shape.len() || weights.shape.contains(&0) {
        let got = format!("`{}` of shape {:?}", weights.name, weights.shape);
        return Err(context.shape_error(format!("kernels of {} axes, none empty", x.shape.len()), got));
    }
    let slides = windows.resolve(context, weights.shape.get(2..).unwrap_or_default(), &lengths)?;
    let bias = integer_bias(context, bias, weights.shape.first().copied().unwrap_or(0))?;
    let layer = integer_layer(context, &weights, bias, step)?;
    Convolution { layer, slides, groups }.run(context, &x)
}

fn matrix_product(context: &mut Context<'_>, operand: &Places, weights: &Places) -> Result<Operand, Stop> {
    let (x, step) = real_operand(context, operand)?;
    let rank = context.constant(weights.value)?.shape.len();
    let weights = real_weights(context, weights, rank.saturating_sub(1))?;
    times_constant(context, &x, &weights, |context, _, matrix| integer_layer(context, matrix, None, step))
}

/// The real values of an operand, and the step of which they are multiples.
fn real_operand(context: &mut Context<'_>, places: &Places) -> Result<(Operand, f32), Stop> {
    let (x, own) = context.integer_activation(places.value)?;
    let scale = match places.scale {
        Some(place) => context.scale(place)?,
        None => 1.0,
    };
    let zero_point = context.zero_point(places.zero_point)?.map_or(0, |(point, _)| point);
    Ok((context.dequantised(&x, own, scale, zero_point)?, scale))
}

/// Constant weights, with one scale and zero point for all or for each index of an axis.
fn real_weights(context: &mut Context<'_>, places: &Places, axis: usize) -> Result<Constant, Stop> {
    let scales = match places.scale {
        Some(place) => context.scales(place)?,
        None => vec![1.0],
    };
    let zero_points = context.zero_points(places.zero_point)?.map_or_else(|| vec![0], |(points, _)| points);
    context.weights(places.value, &scales, &zero_points, axis)
}

/// The bias of each output channel, under the step of its sums.
fn integer_bias(context: &mut Context<'_>, index: usize, outputs: usize) -> Result<Option<Vec<i64>>, Stop> {
    // `ConvInteger` has none, and its inputs were counted.
    let Some(constant) = context.optional_constant(index)? else { return Ok(None) };
    let values = match &constant.data {
        Data::Int(values) => values.view().into_dimensionality::<Ix1>().ok(),
        _ => return Err(constant.type_error("INT32").into()),
    };
    match values.filter(|values| values.len() == outputs) {
        Some(values) if values.iter().any(|value| i32::try_from(*value).is_err()) => {
            Err(constant.type_error("INT32").into())
        }
        Some(values) => Ok(Some(values.to_vec())),
        None => Err(context.shape_error(format!("a bias of shape [{outputs}]"), format!("shape {:?}", constant.shape))),
    }
}

fn integer_layer(
    context: &mut Context<'_>,
    weights: &Constant,
    bias: Option<Vec<i64>>,
    step: f32,
) -> Result<Layer, Stop> {
    match weights.exact.as_ref().and_then(|exact| Layer::integer(exact, bias, step)) {
        Some(layer) => Ok(layer),
        None => {
            let reason = format!(
                "the scales of the weights `{}` do not belong to its output channels, expected one for each or one \
                 for all; quantise the weights per channel",
                weights.name
            );
            Err(context.refuse(None, reason))
        }
    }
}

/// What a result is rounded to.
fn result_type(context: &mut Context<'_>, scale: usize, zero_point: usize) -> Result<Integers, Stop> {
    let scale = context.scale(scale)?;
    match context.zero_point(zero_point)? {
        Some((zero_point, kind)) if kind != IntegerType::Int32 => Ok(Integers { scale, zero_point, kind }),
        _ => {
            let reason = format!("input {zero_point} is no zero point of 8 or 16 bits, expected one; export it again");
            Err(context.refuse(None, reason))
        }
    }
}
