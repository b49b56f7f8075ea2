//! A convolution over volumes as one over images.
//!
//! First the depth goes into the channels: output slice `z` needs the input slices `z s + t d - pad` for the taps
//! `t` of the kernel, and with those side by side as channels, all that is left is a convolution of each slice.
//!
//! Then the slices go below each other into one tall image. Zero rows between them keep windows from reaching into
//! the next slice, and there are so many that a slice begins at a multiple of the row stride:
//!
//! ```text
//! padded rows:   [before zeros] [slice 0: h rows] [zeros] [slice 1: h rows] [zeros] ...
//! window (z, r): starts at z pitch + r stride, reads `reach` rows over all r
//! ```
//!
//! Slice `z` stands at `z pitch + before`. The windows of slice `z` end before the rows of the next one if
//! `reach <= pitch + before`, and begin behind those of the previous one if `before + h <= pitch`.
//!
//! The design not taken is one convolution for each pair of an output slice and a tap, with a sum: it has many more
//! nodes, and rounds each tap by itself once the network is quantised.

use super::convolution::Convolution;
use super::window::Slide;
use crate::onnx::context::{Context, Stop};
use crate::onnx::draft::Operand;

/// The convolution of one volume, of shape `[1, channels, depth, height, width]`.
pub(super) fn convolve(context: &mut Context<'_>, convolution: Convolution, x: &Operand) -> Result<Operand, Stop> {
    let (&[_, channels, depth, height, width], &[along_depth, v, h]) =
        (x.shape.as_slice(), convolution.slides.as_slice())
    else {
        return Err(
            context.shape_error("a volume of shape [1, channels, depth, height, width]", format!("{:?}", x.shape))
        );
    };
    let (Some(slices), Some(rows)) = (along_depth.count(depth), v.count(height)) else {
        return Err(context.shape_error("a volume that holds the kernel", format!("{:?}", x.shape)));
    };
    let taps = along_depth.kernel;
    let reach = (rows - 1) * v.stride + v.extent();
    let pitch = (v.before + height).max(reach.saturating_sub(v.before)).next_multiple_of(v.stride);

    // The kernel's depth becomes the inner part of its channels, in the order in which the taps are taken.
    let &[outputs, inputs, _, kernel_height, kernel_width] = convolution.layer.shape() else {
        return Err(context.shape_error("kernels of three spatial axes", format!("{:?}", convolution.layer.shape())));
    };
    let flat = [outputs, inputs.saturating_mul(taps), kernel_height, kernel_width];
    let layer = convolution.layer.reshaped(context, &flat)?;

    let x = context.take(x, 2, taps * slices, |index| source(&along_depth, index, slices, depth), 0.0)?;
    let x = context.take(&x, 3, pitch, |row| Some(row).filter(|&row| row < height), 0.0)?;
    let x = context.reshape(&x, vec![1, channels * taps, slices * pitch, width])?;
    let slides = vec![Slide { after: 0, ..v }, h];
    let y = Convolution { layer, slides, ..convolution }.on_image(context, &x)?;

    // The windows between two slices mean nothing.
    let per_slice = pitch / v.stride;
    let y = context.take(&y, 2, slices * rows, |index| Some(index / rows * per_slice + index % rows), 0.0)?;
    let columns = y.shape.last().copied().unwrap_or(1);
    context.reshape(&y, vec![1, outputs, slices, rows, columns])
}

/// The slice of the input that stands at `index` in the order (tap, output slice), `None` in the padding.
fn source(along_depth: &Slide, index: usize, slices: usize, depth: usize) -> Option<usize> {
    let (tap, slice) = (index / slices, index % slices);
    (slice * along_depth.stride + tap * along_depth.dilation)
        .checked_sub(along_depth.before)
        .filter(|&slice| slice < depth)
}
