//! Operations on integers behind floats: a value is an integer times a step.

use ndarray::{Array1, Array3, Array4, ArrayD, ArrayView3, Axis};

use super::windows;
use crate::graph::Window;

/// Sums of integers below this are exact in doubles.
const EXACT: f64 = (1u64 << 53) as f64;

/// In single precision and with halves to the even integer, as ONNX's `QuantizeLinear`.
pub(super) fn quantise(x: &ArrayD<f32>, step: f32, lo: i32, hi: i32) -> ArrayD<f32> {
    x.mapv(|value| (value / step).round_ties_even().max(lo as f32).min(hi as f32) * step)
}

pub(super) fn restep(x: &ArrayD<f32>, from: f32, shift: i32, to: f32) -> ArrayD<f32> {
    x.mapv(|value| ((integer(value, from) + f64::from(shift)) * f64::from(to)) as f32)
}

fn integer(value: f32, step: f32) -> f64 {
    (f64::from(value) / f64::from(step)).round()
}

/// An integer convolution, apart from its operand.
pub(super) struct IntegerConv<'a> {
    pub weights: &'a Array4<i32>,
    pub bias: &'a [i64],
    pub operand_step: f32,
    pub steps: &'a [f64],
    pub window: &'a Window,
    pub groups: usize,
}

impl IntegerConv<'_> {
    /// The exact sums, each times the step of its channel; `shape` is that of the result.
    pub fn run(&self, x: ArrayView3<f32>, shape: &[usize]) -> Array3<f32> {
        let x = x.mapv(|value| integer(value, self.operand_step));
        let largest = x.iter().fold(0.0, |largest: f64, value| largest.max(value.abs()));
        let fits = self.weights.outer_iter().zip(self.bias).all(|(kernel, &bias)| {
            let sum: f64 = kernel.iter().map(|&weight| f64::from(weight).abs()).sum();
            sum * largest + (bias as f64).abs() < EXACT
        });
        let mut sums = if fits {
            let bias: Array1<f64> = self.bias.iter().map(|&bias| bias as f64).collect();
            windows::conv(x.view(), &self.weights.mapv(f64::from), &bias, self.groups, self.window, shape)
        } else {
            // A cast saturates at 64 bits, so that products have 96 and their sums cannot overflow.
            let x = x.mapv(|value| i128::from(value as i64));
            let bias: Array1<i128> = self.bias.iter().map(|&bias| i128::from(bias)).collect();
            windows::conv(x.view(), &self.weights.mapv(i128::from), &bias, self.groups, self.window, shape)
                .mapv(|sum| sum as f64)
        };
        for (mut plane, step) in sums.axis_iter_mut(Axis(0)).zip(self.steps) {
            plane *= *step;
        }
        sums.mapv(|value| value as f32)
    }
}

#[cfg(test)]
mod tests {
    use crate::graph::evaluate::testing::{integers, run};
    use crate::graph::{Op, Window};
    use ndarray::{Array4, ArrayD, Ix4, array};
    use proptest::prelude::*;

    #[test]
    fn halves_go_to_the_even_multiple_and_ends_are_kept() {
        let x = array![0.25, 0.75, -0.25, -0.75, 1.3, -9.0, 9.0].into_dyn();
        let got = run(Op::Quantise { step: 0.5, lo: -3, hi: 4 }, &[&x]).unwrap();
        assert_eq!(got, array![0.0, 1.0, 0.0, -1.0, 1.5, -1.5, 2.0].into_dyn());
    }

    #[test]
    fn the_quotient_is_rounded_to_single_precision_first() {
        // In doubles the quotient is just below 2.5, in floats it is 2.5, which goes to 2; that of the next one is not.
        let step = 0.1f32;
        for (x, expected) in [(0.25f32, 2.0f32), (0.250_000_03, 3.0)] {
            let quotient = x / step;
            assert_eq!(quotient.round_ties_even(), expected, "{quotient}");
            let got = run(Op::Quantise { step, lo: 0, hi: 255 }, &[&array![x].into_dyn()]).unwrap();
            assert_eq!(got[[0]], expected * step);
        }
    }

    #[test]
    fn a_restep_moves_the_integers() {
        // 3, -2 and 0 become 13, 8 and 10 quarters.
        let x = array![0.3f32, -0.2, 0.0].into_dyn();
        let got = run(Op::Restep { from: 0.1, shift: 10, to: 0.25 }, &[&x]).unwrap();
        assert_eq!(got, array![3.25, 2.0, 2.5].into_dyn());
    }

    #[test]
    fn sums_that_doubles_cannot_hold_are_exact() {
        let window = Window::tiles([1, 1]);
        let op = |bias| Op::IntegerConv {
            weights: Array4::from_shape_vec((1, 2, 1, 1), vec![i32::MAX, -i32::MAX]).unwrap(),
            bias: vec![bias],
            operand_step: 1.0,
            steps: vec![1.0],
            window,
            groups: 1,
        };
        let x = array![[[1e15f32]], [[1e15]]].into_dyn();
        assert_eq!(run(op(7), &[&x]).unwrap()[[0, 0, 0]], 7.0);
        let x = array![[[f32::MAX]], [[-f32::MAX]]].into_dyn();
        assert!(run(op(i64::MAX), &[&x]).unwrap()[[0, 0, 0]] > 1e28);
    }

    proptest! {
        /// On integers times a step the result is that of a float convolution of the integers, times the steps.
        #[test]
        fn an_integer_convolution_is_a_convolution_of_the_integers(
            groups in 1usize..3, kernel in 1usize..3, stride in 1usize..3, pad in 0usize..2, dilation in 1usize..3, seed: u64,
        ) {
            let (channels, outputs) = (2 * groups, 3 * groups);
            let q = integers(&[channels, 5, 6], seed);
            let weights = integers(&[outputs, 2, kernel, 2], seed ^ 1).into_dimensionality::<Ix4>().unwrap();
            let bias = integers(&[outputs], seed ^ 2);
            let window =
                Window { kernel: [kernel, 2], strides: [stride, 1], pads: [pad, 1, 0, pad], dilations: [1, dilation] };
            let float = Op::Conv {
                weights: weights.clone(),
                bias: bias.iter().copied().collect(),
                strides: window.strides,
                pads: window.pads,
                dilations: window.dilations,
                groups,
            };
            let steps: Vec<f64> = (0..outputs).map(|channel| 0.01 * (channel + 1) as f64).collect();
            let integer = Op::IntegerConv {
                weights: weights.mapv(|weight| weight as i32),
                bias: bias.iter().map(|&bias| bias as i64).collect(),
                operand_step: 0.3,
                steps: steps.clone(),
                window,
                groups,
            };
            let sums = run(float, &[&q]).unwrap();
            let expected = ArrayD::from_shape_fn(sums.raw_dim(), |at| (f64::from(sums[&at]) * steps[at[0]]) as f32);
            prop_assert_eq!(run(integer, &[&q.mapv(|value| value * 0.3)]).unwrap(), expected);
        }
    }
}
