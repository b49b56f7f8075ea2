//! Shapes of the operations whose windows slide over the last two axes of an image.

use super::{MAX_ELEMENTS, ShapeFault, Window, element_count, fault};

/// `weights` are the first two axes of the kernels: output channels, and input channels of a group.
pub(super) fn conv(
    [outputs, channels]: [usize; 2],
    bias: usize,
    groups: usize,
    window: &Window,
    input: &[usize],
) -> Result<Vec<usize>, ShapeFault> {
    let [c, rows, columns] = slide(window, input)?;
    if groups == 0 || !c.is_multiple_of(groups) || !outputs.is_multiple_of(groups) {
        let expected = format!("a number of groups that divides {c} input and {outputs} output channels");
        return fault(expected, format!("{groups} groups"));
    }
    if c / groups != channels {
        let expected = format!("kernels of {} channels for an image of {c} in {groups} groups", c / groups);
        return fault(expected, format!("kernels of {channels} channels"));
    }
    if bias != outputs {
        return fault(format!("a bias of length {outputs}"), format!("length {bias}"));
    }
    Ok(vec![outputs, rows, columns])
}

pub(super) fn max_pool(window: &Window, input: &[usize]) -> Result<Vec<usize>, ShapeFault> {
    let shape = slide(window, input)?;
    // `slide` has matched the shapes: image axis `i` is axis `i + 1` of both.
    for (axis, (&length, &count)) in along(window).iter().zip(input[1..].iter().zip(&shape[1..])) {
        if let Some(index) = (0..count).find(|&index| !axis.meets_a_pixel(index, length)) {
            return fault(
                format!("windows with at least one element that is not padding, on an axis of length {length}"),
                format!("only padding in window {index}: {axis}"),
            );
        }
    }
    Ok(shape.to_vec())
}

pub(super) fn sum_pool(window: &Window, divisor: f32, input: &[usize]) -> Result<Vec<usize>, ShapeFault> {
    if !divisor.is_finite() || divisor == 0.0 {
        return fault("a finite divisor other than 0", format!("{divisor}"));
    }
    slide(window, input).map(Vec::from)
}

/// Channels, and how many windows fit on each of the two image axes.
fn slide(window: &Window, input: &[usize]) -> Result<[usize; 3], ShapeFault> {
    let &[c, h, w] = input else {
        return fault("an image of shape [channels, height, width]", format!("{input:?}"));
    };
    // A pool's window is two numbers in a file, not an array: whoever walks through it relies on this bound.
    if element_count(&window.kernel).is_none_or(|count| count > MAX_ELEMENTS) {
        return fault(format!("a window of at most {MAX_ELEMENTS} elements"), format!("{:?}", window.kernel));
    }
    let [vertical, horizontal] = along(window);
    Ok([c, vertical.count(h)?, horizontal.count(w)?])
}

/// The window on each image axis.
fn along(window: &Window) -> [Along; 2] {
    [0, 1].map(|axis| Along {
        kernel: window.kernel[axis],
        stride: window.strides[axis],
        pads: [window.pads[axis], window.pads[axis + 2]],
        dilation: window.dilations[axis],
    })
}

/// A window on one axis.
struct Along {
    kernel: usize,
    stride: usize,
    /// Before and after the axis.
    pads: [usize; 2],
    dilation: usize,
}

impl std::fmt::Display for Along {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { kernel, stride, pads: [before, after], dilation } = self;
        write!(f, "window {kernel}, stride {stride}, dilation {dilation}, padding {before} and {after}")
    }
}

impl Along {
    /// How many windows fit on an axis of this length when those that hang over are left out.
    fn count(&self, length: usize) -> Result<usize, ShapeFault> {
        if self.kernel == 0 || self.stride == 0 || self.dilation == 0 {
            return fault("a window, a stride and a dilation of at least 1", format!("{self}"));
        }
        let extent = (self.kernel - 1).checked_mul(self.dilation).and_then(|reach| reach.checked_add(1));
        let padded = length.checked_add(self.pads[0]).and_then(|sum| sum.checked_add(self.pads[1]));
        let count = match (padded, extent) {
            (Some(padded), Some(extent)) if padded >= extent => (padded - extent) / self.stride + 1,
            _ => return fault("an axis that holds the window", format!("length {length} for {self}")),
        };
        if count > MAX_ELEMENTS {
            return fault(format!("at most {MAX_ELEMENTS} windows on an axis"), format!("{count}: {self}"));
        }
        Ok(count)
    }

    /// Whether window `index`, below [`Self::count`], has an element that is not padding.
    fn meets_a_pixel(&self, index: usize, length: usize) -> bool {
        let start = index * self.stride;
        // The first element at or behind the padding: those before it are padding, and it is the nearest pixel.
        let element = self.pads[0].saturating_sub(start).div_ceil(self.dilation);
        element < self.kernel && start + element * self.dilation - self.pads[0] < length
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::graph::Op;
    use ndarray::{Array1, Array4};

    fn conv_op(kernel: [usize; 4], window: Window, groups: usize) -> Op {
        let Window { strides, pads, dilations, .. } = window;
        Op::Conv { weights: Array4::zeros(kernel), bias: Array1::zeros(kernel[0]), strides, pads, dilations, groups }
    }

    fn unit(pads: [usize; 4]) -> Window {
        Window { kernel: [1, 1], strides: [1, 1], pads, dilations: [1, 1] }
    }

    #[test]
    fn a_convolution_counts_the_windows_that_fit() {
        let window = Window { strides: [2, 1], ..unit([1, 0, 2, 1]) };
        assert_eq!(conv_op([3, 2, 3, 2], window, 1).result_shape(&[&[2, 8, 6]], &[]).unwrap(), vec![3, 5, 6]);
        // A kernel of 3 with dilation 2 spans 5 pixels, one of 2 with dilation 4 as well.
        let window = Window { dilations: [2, 4], ..unit([0; 4]) };
        assert_eq!(conv_op([3, 2, 3, 2], window, 1).result_shape(&[&[2, 8, 6]], &[]).unwrap(), vec![3, 4, 2]);
        assert_eq!(conv_op([3, 2, 3, 2], window, 1).result_shape(&[&[2, 5, 5]], &[]).unwrap(), vec![3, 1, 1]);
        assert!(conv_op([3, 2, 3, 2], window, 1).result_shape(&[&[2, 4, 5]], &[]).is_err());
    }

    #[test]
    fn a_kernel_larger_than_the_image_is_refused() {
        let fault = conv_op([1, 1, 5, 1], unit([0; 4]), 1).result_shape(&[&[1, 4, 4]], &[]).unwrap_err();
        assert!(fault.got.contains("length 4 for window 5"), "{fault:?}");
    }

    #[test]
    fn sizes_that_overflow_are_refused() {
        let op = conv_op([1, 1, 1, 1], unit([usize::MAX, 0, usize::MAX, 0]), 1);
        assert!(op.result_shape(&[&[1, 4, 4]], &[]).is_err());
        let op = conv_op([1, 1, 3, 1], Window { dilations: [usize::MAX / 2 + 1, 1], ..unit([0; 4]) }, 1);
        assert!(op.result_shape(&[&[1, 4, 4]], &[]).is_err());
        let kernel = [1 << 20, 1 << 20];
        let op = Op::SumPool { window: Window { kernel, ..unit([1 << 20; 4]) }, divisor: 1.0 };
        assert!(op.result_shape(&[&[1, 4, 4]], &[]).unwrap_err().expected.contains("a window of at most"));
        // Every window has an element in the image, but nobody can look at all of them.
        let reach = ((1 << 28) - 1) << 20;
        let window = Window { kernel: [1 << 28, 1], dilations: [1 << 20, 1], ..unit([reach, 0, reach, 0]) };
        let fault = Op::MaxPool(window).result_shape(&[&[1, 1 << 20, 1]], &[]).unwrap_err();
        assert!(fault.expected.contains("windows on an axis"), "{fault:?}");
    }

    #[test]
    fn groups_divide_the_channels() {
        let shape = |kernel, groups| conv_op(kernel, unit([0; 4]), groups).result_shape(&[&[4, 2, 2]], &[]);
        assert_eq!(shape([6, 2, 1, 1], 2).unwrap(), [6, 2, 2]);
        assert_eq!(shape([4, 1, 1, 1], 4).unwrap(), [4, 2, 2]);
        for (kernel, groups) in [
            ([6, 2, 1, 1], 0), // no group
            ([6, 1, 1, 1], 3), // 4 input channels
            ([5, 2, 1, 1], 2), // 5 output channels
            ([6, 4, 1, 1], 2), // kernels for one group
            ([6, 2, 1, 1], 1), // kernels for two groups
        ] {
            assert!(shape(kernel, groups).is_err(), "{kernel:?} in {groups} groups");
        }
        let Op::Conv { weights, strides, pads, dilations, groups, .. } = conv_op([6, 2, 1, 1], unit([0; 4]), 2) else {
            unreachable!()
        };
        let op = Op::Conv { weights, bias: Array1::zeros(5), strides, pads, dilations, groups };
        assert_eq!(op.result_shape(&[&[4, 2, 2]], &[]).unwrap_err().got, "length 5");
    }

    #[test]
    fn a_pool_leaves_out_windows_that_hang_over() {
        let window = Window { kernel: [2, 3], strides: [2, 2], ..unit([0; 4]) };
        assert_eq!(Op::MaxPool(window).result_shape(&[&[4, 5, 6]], &[]).unwrap(), vec![4, 2, 2]);
        assert!(Op::MaxPool(window).result_shape(&[&[5, 6]], &[]).is_err());
        for zero in [
            Window { kernel: [0, 1], ..window },
            Window { strides: [0, 1], ..window },
            Window { dilations: [1, 0], ..window },
        ] {
            assert!(Op::MaxPool(zero).result_shape(&[&[4, 5, 6]], &[]).is_err(), "{zero:?}");
            assert!(Op::SumPool { window: zero, divisor: 1.0 }.result_shape(&[&[4, 5, 6]], &[]).is_err(), "{zero:?}");
        }
    }

    #[test]
    fn only_a_sum_may_have_windows_of_padding() {
        let bad = [
            unit([1, 0, 0, 0]),                                                 // the first window
            unit([0, 0, 0, 1]),                                                 // the last window
            Window { kernel: [2, 1], dilations: [5, 1], ..unit([1, 0, 2, 0]) }, // the image is in the gap
        ];
        for window in bad {
            let fault = Op::MaxPool(window).result_shape(&[&[1, 3, 3]], &[]).unwrap_err();
            assert!(fault.got.contains("only padding"), "{window:?}: {fault:?}");
            assert!(Op::SumPool { window, divisor: 1.0 }.result_shape(&[&[1, 3, 3]], &[]).is_ok(), "{window:?}");
        }
        // The padding below is as large as the window, but no window lies in it.
        let window = Window { kernel: [2, 2], strides: [4, 1], ..unit([1, 1, 2, 1]) };
        assert_eq!(Op::MaxPool(window).result_shape(&[&[1, 2, 2]], &[]).unwrap(), [1, 1, 3]);
    }

    #[test]
    fn a_divisor_is_finite_and_not_zero() {
        for divisor in [0.0, -0.0, f32::NAN, f32::INFINITY] {
            let op = Op::SumPool { window: Window::tiles([1, 1]), divisor };
            assert!(op.result_shape(&[&[1, 3, 3]], &[]).is_err(), "{divisor}");
        }
    }
}
