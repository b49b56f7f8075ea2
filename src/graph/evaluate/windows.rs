//! Operations whose windows slide over the last two axes of an image.
//!
//! Each makes one pass over the image per window element: for a fixed element `(i, j)` of the window, the pixels it
//! meets form a strided rectangle, and the results they go into form a dense one. Pixels in the padding are left out
//! by clipping both rectangles.

use ndarray::{
    Array1, Array3, Array4, ArrayD, ArrayView2, ArrayView3, ArrayViewMut2, Axis, Ix3, LinalgScalar, ShapeError, Slice,
    Zip,
};

use super::Window;

/// The operand of such an operation: `[channels, height, width]`.
pub(super) fn image(x: &ArrayD<f32>) -> Result<ArrayView3<'_, f32>, ShapeError> {
    x.view().into_dimensionality::<Ix3>()
}

/// `window` has the kernel of the weights; `shape` is that of the result.
pub(super) fn conv<T: LinalgScalar>(
    x: ArrayView3<T>,
    weights: &Array4<T>,
    bias: &Array1<T>,
    groups: usize,
    window: &Window,
    shape: &[usize],
) -> Array3<T> {
    let (outputs, channels, ..) = weights.dim();
    let mut result = Array3::zeros((shape[0], shape[1], shape[2]));
    for (mut plane, &value) in result.outer_iter_mut().zip(bias) {
        plane.fill(value);
    }
    for Meeting { element: [i, j], rows, columns } in meetings(window, &x, shape) {
        for (o, mut plane) in result.outer_iter_mut().enumerate() {
            let first = o / (outputs / groups) * channels;
            let mut target = clip_mut(&mut plane, &rows, &columns);
            for c in 0..channels {
                let channel = x.index_axis(Axis(0), first + c);
                target.scaled_add(weights[[o, c, i, j]], &clip(&channel, &rows, &columns));
            }
        }
    }
    result
}

/// `shape` is that of the result. Every window has a pixel, so no result keeps the value it starts from.
pub(super) fn max_pool(x: ArrayView3<f32>, window: &Window, shape: &[usize]) -> Array3<f32> {
    pool(x, window, shape, f32::NEG_INFINITY, f32::max)
}

/// `shape` is that of the result.
pub(super) fn sum_pool(x: ArrayView3<f32>, window: &Window, divisor: f32, shape: &[usize]) -> Array3<f32> {
    pool(x, window, shape, 0.0, |sum, value| sum + value) / divisor
}

/// Combines the pixels of each window with `start`, one after the other.
fn pool(
    x: ArrayView3<f32>,
    window: &Window,
    shape: &[usize],
    start: f32,
    combine: impl Fn(f32, f32) -> f32,
) -> Array3<f32> {
    let mut result = Array3::from_elem((shape[0], shape[1], shape[2]), start);
    for Meeting { rows, columns, .. } in meetings(window, &x, shape) {
        for (channel, mut plane) in x.outer_iter().zip(result.outer_iter_mut()) {
            Zip::from(&mut clip_mut(&mut plane, &rows, &columns))
                .and(&clip(&channel, &rows, &columns))
                .for_each(|result, &pixel| *result = combine(*result, pixel));
        }
    }
    result
}

/// A window element that is not in the padding for every result, and what it meets on both axes.
struct Meeting {
    element: [usize; 2],
    rows: Overlap,
    columns: Overlap,
}

/// All meetings for results of the shape `shape`, by window element in row-major order.
fn meetings<T>(window: &Window, x: &ArrayView3<T>, shape: &[usize]) -> impl Iterator<Item = Meeting> + use<T> {
    let (window, image, results) = (*window, [x.dim().1, x.dim().2], [shape[1], shape[2]]);
    let overlap = move |axis: usize, element: usize| {
        let offset = element * window.dilations[axis];
        Overlap::new(offset, window.pads[axis], window.strides[axis], image[axis], results[axis])
    };
    // Nothing is collected: the window of a pool may be far larger than the image.
    let vertical = (0..window.kernel[0]).filter_map(move |i| Some((i, overlap(0, i)?)));
    vertical.flat_map(move |(i, rows)| {
        (0..window.kernel[1]).filter_map(move |j| Some(Meeting { element: [i, j], rows, columns: overlap(1, j)? }))
    })
}

fn clip<'a, T>(channel: &'a ArrayView2<T>, rows: &Overlap, columns: &Overlap) -> ArrayView2<'a, T> {
    channel.slice_each_axis(|on| if on.axis == Axis(0) { rows.pixels } else { columns.pixels })
}

fn clip_mut<'a, T>(plane: &'a mut ArrayViewMut2<T>, rows: &Overlap, columns: &Overlap) -> ArrayViewMut2<'a, T> {
    plane.slice_each_axis_mut(|on| if on.axis == Axis(0) { rows.results } else { columns.results })
}

/// Which results a window element contributes to on one axis, and which pixels it meets there.
#[derive(Clone, Copy)]
struct Overlap {
    results: Slice,
    pixels: Slice,
}

impl Overlap {
    /// Result `r` meets pixel `r * stride + offset - pad`; `None` if that is in the padding for every result.
    fn new(offset: usize, pad: usize, stride: usize, length: usize, results: usize) -> Option<Self> {
        let first = pad.saturating_sub(offset).div_ceil(stride);
        // The last pixel is `length - 1`, so `r * stride <= length - 1 + pad - offset`.
        let end = (length + pad).checked_sub(offset + 1)?.checked_div(stride)?.saturating_add(1).min(results);
        if first >= end {
            return None;
        }
        let start = first * stride + offset - pad;
        let stop = start + (end - 1 - first) * stride + 1;
        // A stride beyond the axis meets one pixel, as does the length; the cast cannot lose anything then.
        let step = stride.min(length) as isize;
        Some(Self { results: Slice::from(first..end), pixels: Slice::from(start..stop).step_by(step) })
    }
}

#[cfg(test)]
#[path = "windows_tests.rs"]
mod tests;
