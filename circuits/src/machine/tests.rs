//! The constraints hold on honest witnesses of every kind of layer.

use crate::integer::Interval;
use crate::network::Term;
use crate::testing::{Case, NetworkBuilder, RELU8, SIGNED8};

const PIXELS: Interval = Interval::new(0, 15);
const SIGNED: Interval = Interval::new(-9, 9);

fn conv(input: usize, kernel: [usize; 2], strides: [usize; 2], pads: [usize; 4]) -> Term {
    Term::Conv { input, kernel, strides, pads }
}

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
    let pooled = b.affine(&[2, 2, 2], SIGNED8, vec![Term::SumPool { input: second, kernel: [2, 2], factor: 9 }]);
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
