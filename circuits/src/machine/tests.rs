//! The constraints hold on honest witnesses of every kind of layer.

use crate::formula::{Formula, Real};
use crate::integer::{Activation, Function, Interval};
use crate::network::{Term, Window};
use crate::testing::{Case, NetworkBuilder, RELU8, SIGNED8, conv};

const PIXELS: Interval = Interval::new(0, 15);
const SIGNED: Interval = Interval::new(-9, 9);

fn dense(range: Interval, lanes: usize) -> Case {
    let mut b = NetworkBuilder::new(&[7], range, 1);
    let hidden = b.affine(&[5], RELU8, vec![Term::Dense { input: 0 }]);
    b.affine(&[3], SIGNED8, vec![Term::Dense { input: hidden }]);
    b.build(lanes)
}

#[test]
fn dense_layers() {
    for lanes in [1, 2, 5, 8] {
        dense(PIXELS, lanes).assert_satisfied();
        dense(SIGNED, lanes).assert_satisfied();
    }
}

#[test]
fn convolutions() {
    type Geometry = ([usize; 3], [usize; 2], [usize; 2], [usize; 4], [usize; 3]);
    let cases: [Geometry; 6] = [
        ([1, 5, 6], [3, 3], [1, 1], [0; 4], [2, 3, 4]),
        ([2, 5, 6], [3, 3], [1, 1], [1; 4], [3, 5, 6]),
        ([2, 6, 6], [3, 3], [2, 2], [1; 4], [3, 3, 3]),
        ([2, 5, 6], [1, 1], [1, 1], [0; 4], [3, 5, 6]),
        ([1, 5, 6], [1, 1], [2, 2], [0; 4], [2, 3, 3]),
        ([2, 8, 6], [3, 2], [1, 2], [1, 0, 2, 1], [2, 9, 3]),
    ];
    for (input, kernel, strides, pads, output) in cases {
        let mut b = NetworkBuilder::new(&input, SIGNED, 2);
        let first = b.affine(&output, RELU8, vec![conv(0, kernel, strides, pads)]);
        let flat = b.reshape(first, &[output.iter().product()]);
        b.affine(&[2], SIGNED8, vec![Term::Dense { input: flat }]);
        b.build(2).assert_satisfied();
    }
}

#[test]
fn convolution_after_convolution() {
    for (stride, size) in [(1, 6), (2, 3)] {
        let mut b = NetworkBuilder::new(&[1, 6, 6], PIXELS, 3);
        let first = b.affine(&[2, 6, 6], RELU8, vec![conv(0, [3, 3], [1, 1], [1; 4])]);
        b.affine(&[2, size, size], SIGNED8, vec![conv(first, [3, 3], [stride, stride], [1; 4])]);
        b.build(2).assert_satisfied();
    }
}

#[test]
fn maxima() {
    // Fused, with a row and a column that no window covers; then a convolution on the result.
    let mut b = NetworkBuilder::new(&[1, 7, 7], SIGNED, 4);
    let first = b.affine(&[2, 7, 7], RELU8, vec![conv(0, [3, 3], [1, 1], [1; 4])]);
    let pooled = b.max_pool(first, [2, 2]);
    b.affine(&[2, 2, 2], SIGNED8, vec![conv(pooled, [2, 2], [1, 1], [0; 4])]);
    b.build(2).assert_satisfied();
    // Of the input, whose values may be negative, and of a tensor read twice.
    for range in [PIXELS, SIGNED] {
        let mut b = NetworkBuilder::new(&[2, 4, 5], range, 5);
        let pooled = b.max_pool(0, [2, 2]);
        b.affine(&[2, 2, 2], SIGNED8, vec![Term::Scale { input: pooled, factor: 40 }]);
        b.build(2).assert_satisfied();
    }
}

#[test]
fn residuals_and_averages() {
    let mut b = NetworkBuilder::new(&[2, 4, 4], SIGNED, 6);
    let first = b.affine(&[2, 4, 4], RELU8, vec![conv(0, [3, 3], [1, 1], [1; 4])]);
    let second =
        b.affine(&[2, 4, 4], RELU8, vec![conv(first, [3, 3], [1, 1], [1; 4]), Term::Scale { input: 0, factor: 17 }]);
    let pooled =
        b.affine(&[2, 2, 2], SIGNED8, vec![Term::SumPool { input: second, window: Window::tiles([2, 2]), factor: 9 }]);
    let flat = b.reshape(pooled, &[8]);
    let left = b.affine(&[4], SIGNED8, vec![Term::Dense { input: flat }]);
    let right = b.affine(&[4], SIGNED8, vec![Term::Dense { input: flat }]);
    b.affine(&[4], SIGNED8, vec![Term::Scale { input: left, factor: 32 }, Term::Scale { input: right, factor: -20 }]);
    b.build(4).assert_satisfied();
}

#[test]
fn strided_shortcuts_share_a_form() {
    let mut b = NetworkBuilder::new(&[2, 4, 4], PIXELS, 7);
    let inner = b.affine(&[3, 2, 2], RELU8, vec![conv(0, [3, 3], [2, 2], [1; 4])]);
    b.affine(&[3, 2, 2], SIGNED8, vec![conv(inner, [3, 3], [1, 1], [1; 4]), conv(0, [1, 1], [2, 2], [0; 4])]);
    b.build(2).assert_satisfied();
}

#[test]
fn transposes_and_second_forms_are_copied() {
    let mut b = NetworkBuilder::new(&[2, 3, 4], SIGNED, 8);
    let turned = b.transpose(0, &[2, 0, 1]);
    let a = b.affine(&[2, 2, 3], RELU8, vec![conv(turned, [1, 1], [1, 1], [0; 4])]);
    let c = b.affine(&[2, 2, 3], RELU8, vec![conv(a, [3, 3], [1, 1], [1; 4])]);
    let strided = b.affine(&[2, 1, 2], RELU8, vec![conv(a, [3, 3], [2, 2], [1; 4])]);
    let flat = b.reshape(strided, &[4]);
    let other = b.reshape(c, &[12]);
    b.affine(&[3], SIGNED8, vec![Term::Dense { input: flat }, Term::Dense { input: other }]);
    b.build(2).assert_satisfied();
}

#[test]
fn groups_and_dilation() {
    for (channels, groups, output) in [(4, 2, 6), (3, 3, 3), (2, 2, 6), (4, 1, 3)] {
        for lanes in [1, 2, 5] {
            let mut b = NetworkBuilder::new(&[channels, 5, 6], SIGNED, 9);
            let window = Window { kernel: [3, 2], strides: [1, 1], pads: [1, 0, 2, 1], dilations: [1, 2] };
            let first = b.affine(&[output, 6, 5], RELU8, vec![Term::Conv { input: 0, window, groups }]);
            let pooled = b.max_pool(first, [2, 2]);
            let window = Window { kernel: [2, 2], strides: [1, 2], pads: [0; 4], dilations: [2, 1] };
            b.affine(&[output, 1, 1], SIGNED8, vec![Term::Conv { input: pooled, window, groups: output }]);
            b.build(lanes).assert_satisfied();
        }
    }
}

#[test]
fn sums_over_windows_that_overlap() {
    for (strides, dilations, output) in
        [([1, 1], [1, 1], [2, 6, 5]), ([2, 3], [1, 1], [2, 3, 2]), ([2, 2], [2, 1], [2, 2, 3])]
    {
        let mut b = NetworkBuilder::new(&[2, 5, 6], SIGNED, 10);
        let window = Window { kernel: [3, 2], strides, pads: [1, 0, 2, 0], dilations };
        let sum = Term::SumPool { input: 0, window, factor: 7 };
        let first = b.affine(&output, RELU8, vec![sum, conv(0, [1, 1], [1, 1], [0; 4])].into_iter().take(1).collect());
        b.affine(&output, SIGNED8, vec![Term::Scale { input: first, factor: 30 }]);
        b.build(2).assert_satisfied();
    }
}

#[test]
fn products_of_activations() {
    let mut b = NetworkBuilder::new(&[2, 3, 3], SIGNED, 11);
    let gate = b.affine(&[2, 3, 3], RELU8, vec![conv(0, [3, 3], [1, 1], [1; 4])]);
    let product = Term::Product { left: gate, right: 0, factor: 3 };
    b.affine(&[2, 3, 3], SIGNED8, vec![product, conv(0, [1, 1], [1, 1], [0; 4])]);
    b.build(2).assert_satisfied();
}

#[test]
fn products_by_one_element_a_channel() {
    for lanes in [1, 4] {
        let mut b = NetworkBuilder::new(&[2, 3, 3], SIGNED, 18);
        let means = Term::SumPool { input: 0, window: Window::tiles([3, 3]), factor: 9 };
        let gate = b.affine(&[2, 1, 1], SIGNED8, vec![means]);
        let rows = b.take(gate, 1, &[Some(0); 3], 0);
        let gate = b.take(rows, 2, &[Some(0); 3], 0);
        let one = b.affine(&[2, 3, 3], RELU8, vec![Term::Product { left: gate, right: 0, factor: 3 }]);
        let term = Term::Product { left: one, right: gate, factor: 2 };
        b.affine(&[2, 3, 3], SIGNED8, vec![term, conv(one, [3, 3], [1, 1], [1; 4])]);
        let case = b.build(lanes);
        case.assert_satisfied();
        assert!(case.program.rows.len() < 400, "{} rows: products an element each", case.program.rows.len());
    }
}

#[test]
fn elements_move_without_rows() {
    let mut b = NetworkBuilder::new(&[2, 3, 4], SIGNED, 12);
    let zeros = b.take(0, 2, &[Some(0), None, Some(1), None, Some(2), None, Some(3)], 0);
    let turned = b.take(0, 1, &[Some(2), Some(0), Some(2)], 0);
    let low = b.take(turned, 2, &[None, Some(3), Some(3), Some(0), Some(1), Some(2), None], -9);
    let both = b.concat(&[zeros, low], 0);
    let first = b.affine(&[3, 2, 3], RELU8, vec![conv(both, [2, 3], [1, 2], [0; 4])]);
    let again = b.concat(&[first, first], 1);
    b.affine(&[2], SIGNED8, vec![Term::Dense { input: again }]);
    b.build(4).assert_satisfied();
    // Nothing but zeros: the convolution has no operand.
    let mut b = NetworkBuilder::new(&[1, 2, 2], SIGNED, 13);
    let zeros = b.take(0, 1, &[None, None], 0);
    b.affine(&[1, 1, 1], SIGNED8, vec![conv(zeros, [2, 2], [1, 1], [0; 4]), conv(0, [2, 2], [1, 1], [0; 4])]);
    b.build(2).assert_satisfied();
}

#[test]
fn overlapping_maxima_are_taken_over_moved_elements() {
    let mut b = NetworkBuilder::new(&[2, 4, 4], SIGNED, 14);
    let taps = [None, Some(0), Some(1), Some(1), Some(2), Some(3)];
    let rows = b.take(0, 1, &taps, -9);
    let windows = b.take(rows, 2, &taps, -9);
    let pooled = b.max_pool(windows, [3, 3]);
    b.affine(&[3], SIGNED8, vec![Term::Dense { input: pooled }]);
    b.build(4).assert_satisfied();
}

#[test]
fn before_the_first_maximum() {
    let rows = [[3, 9, -2, 9], [5, 5, 5, 5], [-9, -9, -9, -8], [7, 1, 7, 0]];
    let before = [[1, 0, 0, 0], [0, 0, 0, 0], [1, 1, 1, 0], [0, 0, 0, 0]];
    let mut b = NetworkBuilder::new(&[4, 4], SIGNED, 15);
    b.before_max(0);
    let case = b.build_on(crate::program::Layout::direct(2), rows.concat());
    assert_eq!(case.trace.values[case.architecture.output], before.concat());
    case.assert_satisfied();
    // The index of the maximum: how many elements stand before it.
    let mut b = NetworkBuilder::new(&[4, 4], SIGNED, 16);
    let bits = b.before_max(0);
    let plane = b.reshape(bits, &[1, 4, 4]);
    let index = Activation { function: Function::Identity, range: Interval::new(0, 3) };
    let sum = Term::SumPool { input: plane, window: Window::tiles([1, 4]), factor: 32 };
    b.affine(&[1, 4, 1], index, vec![sum]);
    b.weights.layers.values_mut().for_each(|layer| layer.bias = vec![0]);
    let case = b.build_on(crate::program::Layout::direct(2), rows.concat());
    assert_eq!(case.trace.values[case.architecture.output], [1, 0, 3, 0]);
    case.assert_satisfied();
}

#[test]
fn tables_of_formulas() {
    let function = |formula, from| Function::Formula {
        formula,
        from: Real(from),
        to: Real(40.0),
        domain: Interval::new(-99, 120),
    };
    for limb in [None, Some(3), Some(5), Some(8)] {
        let mut b = NetworkBuilder::new(&[6], SIGNED, 17);
        let gelu = Activation { function: function(Formula::Gelu, 20.0), range: Interval::new(-40, 39) };
        let hidden = b.affine(&[5], gelu, vec![Term::Dense { input: 0 }]);
        let sigmoid = Activation { function: function(Formula::Sigmoid, 9.0), range: Interval::new(0, 39) };
        b.affine(&[3], sigmoid, vec![Term::Dense { input: hidden }]);
        b.build_in(crate::program::Layout { limb, ..crate::program::Layout::direct(2) }).assert_satisfied();
    }
}
