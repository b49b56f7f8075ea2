//! Each operation against its definition, pixel by pixel.

use crate::graph::evaluate::testing::{integers, run};
use crate::graph::{Op, Window};
use ndarray::{Array1, Array3, Array4, ArrayD, Axis, Ix1, Ix3, Ix4, array, stack};
use proptest::prelude::*;

/// Pixels on one axis that each window meets, `None` for padding: every window that fits, found by trying.
fn windows_on(axis: usize, window: &Window, length: usize) -> Vec<Vec<Option<usize>>> {
    let (before, after) = (window.pads[axis], window.pads[axis + 2]);
    let padded: Vec<Option<usize>> = std::iter::repeat_n(None, before)
        .chain((0..length).map(Some))
        .chain(std::iter::repeat_n(None, after))
        .collect();
    let starts = (0..padded.len()).step_by(window.strides[axis]);
    let elements = |start| (0..window.kernel[axis]).map(move |i| start + i * window.dilations[axis]);
    starts.map_while(|start| elements(start).map(|at| padded.get(at).copied()).collect()).collect()
}

/// A result for each channel and window: `reduce` has the channel and, for each window element in row-major order, the
/// pixel.
fn by_definition(
    window: &Window,
    outputs: usize,
    [height, width]: [usize; 2],
    reduce: impl Fn(usize, &[Option<[usize; 2]>]) -> f32,
) -> Array3<f32> {
    let (rows, columns) = (windows_on(0, window, height), windows_on(1, window, width));
    Array3::from_shape_fn((outputs, rows.len(), columns.len()), |(o, r, s)| {
        let pixels: Vec<Option<[usize; 2]>> =
            rows[r].iter().flat_map(|&y| columns[s].iter().map(move |&x| Some([y?, x?]))).collect();
        reduce(o, &pixels)
    })
}

fn conv_by_definition(
    x: &Array3<f32>,
    w: &Array4<f32>,
    b: &Array1<f32>,
    groups: usize,
    window: &Window,
) -> Array3<f32> {
    let (channels, height, width) = x.dim();
    let outputs = w.dim().0;
    by_definition(window, outputs, [height, width], |o, pixels| {
        let mut sum = b[o];
        // Channels are in one group if they are in the same of as many equal parts.
        for (k, c) in (0..channels).filter(|c| c * groups / channels == o * groups / outputs).enumerate() {
            for (pixel, weight) in pixels.iter().zip(w.index_axis(Axis(0), o).index_axis(Axis(0), k)) {
                sum += pixel.map_or(0.0, |[y, z]| weight * x[[c, y, z]]);
            }
        }
        sum
    })
}

/// The values of the pixels of a window that are not padding.
fn values(x: &Array3<f32>, channel: usize, pixels: &[Option<[usize; 2]>]) -> Vec<f32> {
    pixels.iter().flatten().map(|&[y, z]| x[[channel, y, z]]).collect()
}

fn conv(weights: Array4<f32>, bias: Array1<f32>, groups: usize, window: &Window) -> Op {
    let Window { strides, pads, dilations, .. } = *window;
    Op::Conv { weights, bias, strides, pads, dilations, groups }
}

#[test]
fn convolution_agrees_with_its_definition() {
    let ramp = |n: usize| (n as f32 * 0.37).sin();
    for (kernel, strides, pads) in [
        ([1, 1], [1, 1], [0, 0, 0, 0]),
        ([3, 3], [1, 1], [1, 1, 1, 1]),
        ([3, 2], [2, 1], [1, 0, 2, 1]),
        ([2, 3], [3, 2], [4, 3, 0, 5]),
        ([5, 4], [1, 3], [0, 2, 3, 0]),
    ] {
        let window = Window { kernel, strides, pads, dilations: [1, 1] };
        let x = Array3::from_shape_fn((2, 5, 6), |(c, h, w)| ramp(c * 30 + h * 6 + w));
        let w =
            Array4::from_shape_fn((3, 2, kernel[0], kernel[1]), |(o, c, i, j)| ramp(o * 50 + c * 20 + i * 5 + j + 1));
        let b = array![0.5, -0.25, 0.125];
        let expected = conv_by_definition(&x, &w, &b, 1, &window);
        let got = run(conv(w, b, 1, &window), &[&x.into_dyn()]).unwrap();
        let difference = (&got - &expected.into_dyn()).mapv(f32::abs).fold(0.0, |a: f32, &b| a.max(b));
        assert!(difference < 1e-5, "{window:?}: {difference}");
    }
}

#[test]
fn a_dilated_grouped_convolution_by_hand() {
    let x = stack![Axis(0), array![[1.0, 2.0, 3.0, 4.0]], array![[5.0, 6.0, 7.0, 8.0]]].into_dyn();
    let w = Array4::from_shape_vec((2, 1, 1, 2), vec![1.0, 10.0, 1.0, -1.0]).unwrap();
    let window = Window { kernel: [1, 2], strides: [1, 1], pads: [0, 1, 0, 0], dilations: [1, 2] };
    let got = run(conv(w, array![0.0, 0.5], 2, &window), &[&x]).unwrap();
    assert_eq!(got, array![[[20.0, 31.0, 42.0]], [[-5.5, -1.5, -1.5]]].into_dyn());
}

#[test]
fn pools_reduce_each_window_of_each_channel() {
    let x = stack![Axis(0), array![[1.0, -2.0, 9.0], [3.0, 4.0, 9.0]], array![[-1.0, -2.0, 9.0], [-3.0, -4.0, 9.0]]]
        .into_dyn();
    let window = Window::tiles([2, 2]);
    assert_eq!(run(Op::MaxPool(window), &[&x]).unwrap(), array![[[4.0]], [[-1.0]]].into_dyn());
    let mean = run(Op::SumPool { window, divisor: 4.0 }, &[&x]).unwrap();
    assert_eq!(mean, array![[[1.5]], [[-2.5]]].into_dyn());
}

#[test]
fn padding_is_never_the_largest_and_adds_nothing() {
    let x = array![[[-1.0, -2.0], [-3.0, -4.0]]].into_dyn();
    let window = Window { kernel: [2, 2], strides: [2, 2], pads: [1, 1, 1, 1], dilations: [1, 1] };
    assert_eq!(run(Op::MaxPool(window), &[&x]).unwrap(), x);
    assert_eq!(run(Op::SumPool { window, divisor: -2.0 }, &[&x]).unwrap(), x.mapv(|value| value / -2.0));
}

#[test]
fn a_window_far_larger_than_the_image_is_evaluated() {
    let x = array![[[3.0, -5.0, 4.0]]].into_dyn();
    let n = 1 << 16;
    let window = Window { kernel: [1, n], strides: [1, n], pads: [0, n, 0, n], dilations: [1, 1] };
    let sums = run(Op::SumPool { window, divisor: 1.0 }, &[&x]).unwrap();
    assert_eq!(sums, array![[[0.0, 2.0]]].into_dyn());
}

fn window() -> impl Strategy<Value = Window> {
    let pair = || prop::array::uniform2(1usize..4);
    (pair(), pair(), prop::array::uniform4(0usize..4), pair()).prop_map(|(kernel, strides, pads, dilations)| Window {
        kernel,
        strides,
        pads,
        dilations,
    })
}

fn image_size() -> impl Strategy<Value = [usize; 2]> {
    prop::array::uniform2(1usize..8)
}

/// The pool by its definition; `None` if there is no window on an axis.
fn pool_by_definition(x: &Array3<f32>, window: &Window, reduce: impl Fn(Vec<f32>) -> f32) -> Option<ArrayD<f32>> {
    let (channels, height, width) = x.dim();
    let result = by_definition(window, channels, [height, width], |c, pixels| reduce(values(x, c, pixels)));
    (!result.is_empty()).then(|| result.into_dyn())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    /// Refused exactly if no window fits; every value and so every sum is a small integer.
    #[test]
    fn any_convolution_agrees_with_its_definition(
        groups in 1usize..4,
        [channels, outputs] in prop::array::uniform2(1usize..4),
        size in image_size(),
        window in window(),
        seed: u64,
    ) {
        let x = integers(&[groups * channels, size[0], size[1]], seed);
        let w = integers(&[groups * outputs, channels, window.kernel[0], window.kernel[1]], seed ^ 1);
        let b = integers(&[groups * outputs], seed ^ 2);
        let (w, b) = (w.into_dimensionality::<Ix4>().unwrap(), b.into_dimensionality::<Ix1>().unwrap());
        let image = x.clone().into_dimensionality::<Ix3>().unwrap();
        let expected = conv_by_definition(&image, &w, &b, groups, &window);
        match run(conv(w, b, groups, &window), &[&x]) {
            Ok(got) => prop_assert_eq!(got, expected.into_dyn()),
            Err(fault) => prop_assert!(expected.is_empty(), "{:?}", fault),
        }
    }

    #[test]
    fn any_sum_pool_agrees_with_its_definition(size in image_size(), window in window(), seed: u64) {
        let x = integers(&[2, size[0], size[1]], seed);
        let image = x.clone().into_dimensionality::<Ix3>().unwrap();
        let expected = pool_by_definition(&image, &window, |values| values.iter().sum::<f32>() / 3.0);
        prop_assert_eq!(run(Op::SumPool { window, divisor: 3.0 }, &[&x]).ok(), expected);
    }

    /// Refused exactly if no window fits or one has only padding.
    #[test]
    fn any_max_pool_agrees_with_its_definition(size in image_size(), window in window(), seed: u64) {
        let x = integers(&[2, size[0], size[1]], seed);
        let image = x.clone().into_dimensionality::<Ix3>().unwrap();
        let largest = |values: Vec<f32>| values.into_iter().reduce(f32::max).unwrap_or(f32::NAN);
        let expected = pool_by_definition(&image, &window, largest).filter(|x| x.iter().all(|value| !value.is_nan()));
        prop_assert_eq!(run(Op::MaxPool(window), &[&x]).ok(), expected);
    }
}
