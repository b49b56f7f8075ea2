//! `Resize` and `Upsample`. The nearest element is a choice of indices; an interpolation is a constant matrix applied
//! along one axis after the other.

use super::expand::sizes;
use super::sampling::{Axis, Coordinates, Filter, Interpolation, Nearest, WHOLE};
use crate::graph::MAX_ELEMENTS;
use crate::onnx::context::{Built, Context, Stop};
use crate::onnx::draft::Operand;
use crate::onnx::error::OnnxError;
use crate::onnx::layer::Layer;

/// What `sizes` mean for the shape of the image.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Aspect {
    /// Nothing.
    Stretch,
    /// The largest image of the same shape within the sizes.
    NotLarger,
    /// The smallest one around them.
    NotSmaller,
}

/// Everything that the attributes say.
struct Resize {
    coordinates: Coordinates,
    interpolation: Interpolation,
    excludes_outside: bool,
    antialiases: bool,
    /// What stands outside of the input, where it is cropped.
    extrapolation: f32,
    aspect: Aspect,
    axes: Option<Vec<i64>>,
}

/// `Resize`, by constant factors or to constant sizes.
pub(in crate::onnx) fn resize(context: &mut Context<'_>) -> Result<Built, Stop> {
    // Version 10 has no more inputs than `Upsample`, and no attributes but the mode.
    if context.opset < 11 {
        return upsample(context);
    }
    let resize = read_attributes(context);
    context.finish_attributes()?;
    context.expect_inputs(1, 4)?;
    let x = context.activation(0)?;
    let axes = match &resize.axes {
        Some(axes) => context.axes(axes, x.shape.len())?,
        None => (0..x.shape.len()).collect(),
    };
    let scales = scales(context, 2)?;
    let wanted = match context.optional_constant(3)? {
        Some(constant) if !constant.shape.contains(&0) => Some(sizes(context, 3)?),
        _ => None,
    };
    let lengths: Vec<usize> = axes.iter().filter_map(|&axis| x.shape.get(axis).copied()).collect();
    let mut plan = match (scales, wanted) {
        (Some(scales), None) => by_scales(context, &lengths, &scales)?,
        (None, Some(sizes)) => by_sizes(context, &lengths, &sizes, resize.aspect)?,
        _ => return Err(context.shape_error("either scales or sizes", "both or neither")),
    };
    if resize.coordinates == Coordinates::TfCropAndResize {
        crop(context, &mut plan)?;
    }
    Ok(resized(context, x, &axes, &plan, &resize)?.into())
}

/// Takes the crop of each axis from the second input: all starts, then all ends.
fn crop(context: &mut Context<'_>, plan: &mut [Axis]) -> Result<(), Stop> {
    let roi = context.constant(1)?;
    let values: Vec<f64> = roi.floats()?.iter().map(|&value| value.into()).collect();
    if values.len() != 2 * plan.len() {
        let got = format!("`{}` of shape {:?}", roi.name, roi.shape);
        return Err(context.shape_error(format!("a crop with start and end of {} axes", plan.len()), got));
    }
    let (starts, ends) = values.split_at(plan.len());
    for ((axis, &start), &end) in plan.iter_mut().zip(starts).zip(ends) {
        axis.crop = [start, end];
    }
    Ok(())
}

fn read_attributes(context: &mut Context<'_>) -> Resize {
    let coordinates = [
        ("half_pixel", Coordinates::HalfPixel),
        ("half_pixel_symmetric", Coordinates::HalfPixelSymmetric),
        ("pytorch_half_pixel", Coordinates::PytorchHalfPixel),
        ("align_corners", Coordinates::AlignCorners),
        ("asymmetric", Coordinates::Asymmetric),
        ("tf_half_pixel_for_nn", Coordinates::TfHalfPixelForNn),
        ("tf_crop_and_resize", Coordinates::TfCropAndResize),
    ];
    let remedy = "choose one of them";
    let coordinates = context.choice("coordinate_transformation_mode", coordinates, remedy);
    let nearest = [
        ("round_prefer_floor", Nearest::RoundPreferFloor),
        ("round_prefer_ceil", Nearest::RoundPreferCeil),
        ("floor", Nearest::Floor),
        ("ceil", Nearest::Ceil),
    ];
    let nearest = context.choice("nearest_mode", nearest, remedy).unwrap_or(Nearest::RoundPreferFloor);
    let a = f64::from(context.float("cubic_coeff_a", -0.75));
    let modes = [
        ("nearest", Interpolation::Nearest(nearest)),
        ("linear", Interpolation::Linear),
        ("cubic", Interpolation::Cubic { a }),
    ];
    let interpolation = context.choice("mode", modes, remedy);
    let aspects =
        [("stretch", Aspect::Stretch), ("not_larger", Aspect::NotLarger), ("not_smaller", Aspect::NotSmaller)];
    Resize {
        coordinates: coordinates.unwrap_or(Coordinates::HalfPixel),
        interpolation: interpolation.unwrap_or(Interpolation::Linear),
        excludes_outside: context.int("exclude_outside", 0) != 0,
        antialiases: context.int("antialias", 0) != 0,
        extrapolation: context.float("extrapolation_value", 0.0),
        aspect: context.choice("keep_aspect_ratio_policy", aspects, remedy).unwrap_or(Aspect::Stretch),
        axes: context.ints("axes").map(<[i64]>::to_vec),
    }
}

/// `Upsample`, and `Resize` before it had coordinates: enlarges by constant factors.
pub(in crate::onnx) fn upsample(context: &mut Context<'_>) -> Result<Built, Stop> {
    let is_input = context.opset >= 9;
    let attribute = if is_input { None } else { context.floats("scales").map(<[f32]>::to_vec) };
    let modes = [("nearest", Interpolation::Nearest(Nearest::Floor)), ("linear", Interpolation::Linear)];
    let interpolation = context.choice("mode", modes, "choose one of them").unwrap_or(Interpolation::Linear);
    context.finish_attributes()?;
    context.expect_inputs(1 + usize::from(is_input), 1 + usize::from(is_input))?;
    let x = context.activation(0)?;
    let given = if is_input { scales(context, 1)? } else { attribute };
    let Some(scales) = given else {
        let reason = "missing, expected a factor for each axis; export the model again";
        return Err(context.refuse(Some("scales"), reason));
    };
    if scales.iter().any(|&scale| scale < 1.0) {
        let reason = "got a factor below 1, expected an enlargement; for others, \
                      export the model with version 11 of the operators, which says what they mean";
        return Err(context.refuse(Some("scales"), reason));
    }
    let plan = by_scales(context, &x.shape, &scales)?;
    let axes: Vec<usize> = (0..x.shape.len()).collect();
    let (coordinates, aspect) = (Coordinates::Asymmetric, Aspect::Stretch);
    let resize = Resize {
        coordinates,
        interpolation,
        excludes_outside: false,
        antialiases: false,
        extrapolation: 0.0,
        aspect,
        axes: None,
    };
    Ok(resized(context, x, &axes, &plan, &resize)?.into())
}

/// A constant input of factors, if it is there and not empty.
fn scales(context: &mut Context<'_>, index: usize) -> Result<Option<Vec<f32>>, Stop> {
    match context.optional_constant(index)? {
        Some(constant) if !constant.shape.contains(&0) => Ok(Some(constant.floats()?.iter().copied().collect())),
        _ => Ok(None),
    }
}

fn by_scales(context: &mut Context<'_>, lengths: &[usize], scales: &[f32]) -> Result<Vec<Axis>, Stop> {
    expect_as_many(context, lengths, scales.len())?;
    let mut plan = Vec::with_capacity(lengths.len());
    for (&input, &scale) in lengths.iter().zip(scales) {
        // In single precision, as the exporters and onnxruntime do: 10 times 0.7 is 7.
        let output = (scale * input as f32).floor();
        if !(scale > 0.0 && output >= 1.0 && output <= MAX_ELEMENTS as f32) {
            let expected = format!("a factor that leaves 1 to {MAX_ELEMENTS} elements");
            return Err(context.shape_error(expected, format!("{scale} for {input} elements")));
        }
        plan.push(Axis { input, output: output as usize, length: f64::from(scale) * input as f64, crop: WHOLE });
    }
    Ok(plan)
}

fn by_sizes(context: &mut Context<'_>, lengths: &[usize], sizes: &[usize], aspect: Aspect) -> Result<Vec<Axis>, Stop> {
    expect_as_many(context, lengths, sizes.len())?;
    let scales = lengths.iter().zip(sizes).map(|(&input, &output)| output as f64 / input as f64);
    let common = match aspect {
        Aspect::Stretch => None,
        Aspect::NotLarger => scales.reduce(f64::min),
        Aspect::NotSmaller => scales.reduce(f64::max),
    };
    let axis = |(&input, &size): (&usize, &usize)| {
        let length = common.map_or(size as f64, |scale| scale * input as f64);
        Axis { input, output: (length + 0.5).floor() as usize, length, crop: WHOLE }
    };
    let plan: Vec<Axis> = lengths.iter().zip(sizes).map(axis).collect();
    match plan.iter().find(|axis| !(1..=MAX_ELEMENTS).contains(&axis.output)) {
        None => Ok(plan),
        Some(axis) => {
            let got = format!("{} from {}", axis.output, axis.input);
            Err(context.shape_error(format!("1 to {MAX_ELEMENTS} elements on an axis"), got))
        }
    }
}

fn expect_as_many(context: &Context<'_>, lengths: &[usize], got: usize) -> Result<(), Stop> {
    if lengths.len() == got {
        return Ok(());
    }
    Err(context.shape_error(format!("a number for each of {} axes", lengths.len()), format!("{got} numbers")))
}

fn resized(
    context: &mut Context<'_>,
    mut x: Operand,
    axes: &[usize],
    plan: &[Axis],
    resize: &Resize,
) -> Result<Operand, Stop> {
    for (&at, axis) in axes.iter().zip(plan).filter(|(_, axis)| !axis.is_unchanged()) {
        x = match resize.interpolation {
            Interpolation::Nearest(nearest) => {
                let outside = axis.outside(resize.coordinates);
                let source = |index| match outside.get(index) {
                    Some(false) => Some(axis.nearest(index, resize.coordinates, nearest)),
                    _ => None,
                };
                context.take(&x, at, axis.output, source, resize.extrapolation)?
            }
            Interpolation::Linear => interpolated(context, &x, at, axis, None, resize)?,
            Interpolation::Cubic { a } => interpolated(context, &x, at, axis, Some(a), resize)?,
        };
    }
    Ok(x)
}

fn interpolated(
    context: &mut Context<'_>,
    x: &Operand,
    at: usize,
    axis: &Axis,
    a: Option<f64>,
    resize: &Resize,
) -> Result<Operand, Stop> {
    if axis.input.checked_mul(axis.output).is_none_or(|size| size > MAX_ELEMENTS) {
        let what = format!("the matrix that resizes {} to {} elements", axis.input, axis.output);
        return Err(OnnxError::TooLarge { what, limit: format!("{MAX_ELEMENTS} elements") }.into());
    }
    let (antialiases, excludes_outside) = (resize.antialiases, resize.excludes_outside);
    let weights = axis.weights(resize.coordinates, Filter { a, antialiases, excludes_outside });
    if !weights.iter().all(|weight| weight.is_finite()) {
        let reason = "the interpolation has an infinite weight, expected finite ones; choose other parameters";
        return Err(context.refuse(None, reason));
    }
    // Weights sum to 1, so that a later axis leaves this value as it is.
    let outside = axis.outside(resize.coordinates);
    let bias = outside.iter().map(|&is_outside| if is_outside { resize.extrapolation } else { 0.0 }).collect();
    let layer = Layer::Float { kernels: weights.into_dyn(), bias };
    context.along_axis(x, at, layer)
}
