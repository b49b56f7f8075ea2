//! `ConvTranspose` as a convolution.
//!
//! With zeros between the pixels, `stride - 1` of them, the transposed convolution is a plain one with the kernel
//! turned around, and with input and output channels exchanged within each group. Result `j` sums over the taps `t`
//! the pixel at `j + pad - t dilation`, so the windows start `dilation (kernel - 1) - pad` in front of the image.

use ndarray::{ArrayD, Axis};

use super::convolution::{Convolution, bias, group_count, kernels};
use super::window::{AutoPad, Slide, Windows, expect_entries, split_padding};
use crate::onnx::context::{Built, Context, Stop};
use crate::onnx::draft::Operand;
use crate::onnx::layer::{Layer, reshaped};

/// A transposed convolution with constant kernels.
pub(in crate::onnx) fn conv_transpose(context: &mut Context<'_>) -> Result<Built, Stop> {
    let windows = Windows::read(context);
    let groups = group_count(context);
    let output_padding = context.sizes("output_padding", 0);
    let output_shape = context.sizes("output_shape", 1);
    context.finish_attributes()?;
    context.expect_inputs(2, 3)?;
    let mut x = context.activation(0)?;
    let (constant, lengths) = kernels(context, &x)?;
    let kernels = constant.floats()?.clone();
    let rank = lengths.len();
    let slides = windows.unpadded(context, kernels.shape().get(2..).unwrap_or_default(), rank)?;
    let extra = output_padding.unwrap_or_else(|| vec![0; rank]);
    expect_entries(context, "output_padding", extra.len(), rank)?;
    let targets = targets(context, &windows, &slides, &lengths, &extra, output_shape)?;

    let mut plain = Vec::with_capacity(rank);
    for (axis, (slide, target)) in slides.iter().zip(targets).enumerate() {
        let (spread, slide) = spread(context, &x, axis + 2, slide, target)?;
        x = spread;
        plain.push(slide);
    }
    let kernels = turned(context, kernels, groups)?;
    let bias = bias(context, kernels.shape().first().copied().unwrap_or(0))?;
    Ok(Convolution { layer: Layer::Float { kernels, bias }, slides: plain, groups }.run(context, &x)?.into())
}

/// What the result of one axis looks like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Target {
    /// How many results are cut off in front.
    before: usize,
    /// How many there are.
    length: usize,
}

/// The target of each axis, from the padding or from the shape that is asked for.
fn targets(
    context: &mut Context<'_>,
    windows: &Windows,
    slides: &[Slide],
    lengths: &[usize],
    extra: &[usize],
    output_shape: Option<Vec<usize>>,
) -> Result<Vec<Target>, Stop> {
    let rank = lengths.len();
    let pads = windows.pads(context, rank)?;
    if windows.auto_pad() != AutoPad::Explicit && pads.iter().any(|&pad| pad > 0) {
        return Err(windows.refuse_pads(context));
    }
    if let Some(shape) = &output_shape {
        expect_entries(context, "output_shape", shape.len(), rank)?;
    }
    let mut targets = Vec::with_capacity(rank);
    for (axis, ((slide, &length), &extra)) in slides.iter().zip(lengths).zip(extra).enumerate() {
        let full = slide.stride * (length - 1) + slide.extent() + extra;
        let asked = match (&output_shape, windows.auto_pad()) {
            (Some(shape), _) => shape.get(axis).copied(),
            (None, AutoPad::SameUpper | AutoPad::SameLower) => Some(slide.stride * length),
            (None, AutoPad::Explicit | AutoPad::Valid) => None,
        };
        targets.push(match asked {
            // More than there is: the results behind the image see none of it.
            Some(asked) => {
                let more_in_front = windows.auto_pad() != AutoPad::SameUpper;
                Target { before: split_padding(full.saturating_sub(asked), more_in_front).0, length: asked }
            }
            None => {
                let pad = |at: usize| pads.get(at).copied().unwrap_or(0);
                let (before, after) = match windows.auto_pad() {
                    AutoPad::Explicit => (pad(axis), pad(axis + rank)),
                    _ => (0, 0),
                };
                Target { before, length: full.saturating_sub(before + after) }
            }
        });
    }
    Ok(targets)
}

/// Puts zeros between the elements of an axis, and cuts off what no window of the target reads. With the result come
/// the windows of the plain convolution on it.
fn spread(
    context: &mut Context<'_>,
    x: &Operand,
    axis: usize,
    slide: &Slide,
    target: Target,
) -> Result<(Operand, Slide), Stop> {
    let length = x.shape.get(axis).copied().unwrap_or(1);
    let zeros_between = slide.stride * (length - 1) + 1;
    let reach = slide.extent() - 1;
    // Windows start at `start` (as seen from the padding) and read up to `end`, both measured from the first pixel.
    let skipped = target.before.saturating_sub(reach);
    let before = reach.saturating_sub(target.before);
    let end = (target.before + target.length).min(zeros_between);
    if target.length == 0 || skipped >= end {
        let got = format!("axis {axis} of {length} elements, of which {} results are cut off", target.before);
        return Err(context.shape_error("padding that leaves some of the result", got));
    }
    let after = target.before + target.length - end;
    let stride = slide.stride;
    let spread = context.take(
        x,
        axis,
        end - skipped,
        |index| (index + skipped).is_multiple_of(stride).then_some((index + skipped) / stride),
        0.0,
    )?;
    Ok((spread, Slide { stride: 1, before, after, ..*slide }))
}

/// Kernels of shape `[in, out / groups, ..]` as those of a plain convolution, `[out, in / groups, ..]`, with every
/// spatial axis turned around.
fn turned(context: &Context<'_>, kernels: ArrayD<f32>, groups: usize) -> Result<ArrayD<f32>, Stop> {
    let (inputs, outputs, spatial) = match kernels.shape() {
        [inputs, outputs, spatial @ ..] if inputs.is_multiple_of(groups) => (*inputs, *outputs, spatial.to_vec()),
        shape => {
            return Err(context.shape_error(format!("kernels for channels in {groups} groups"), format!("{shape:?}")));
        }
    };
    let grouped = [&[groups, inputs / groups, outputs], spatial.as_slice()].concat();
    let mut exchanged = reshaped(context, kernels, &grouped)?;
    exchanged.swap_axes(1, 2);
    for axis in 3..exchanged.ndim() {
        exchanged.invert_axis(Axis(axis));
    }
    let shape = [&[groups.saturating_mul(outputs), inputs / groups], spatial.as_slice()].concat();
    reshaped(context, exchanged, &shape)
}
