//! Operations that keep the shape.

use ndarray::{ArrayD, ArrayView1, Axis};

pub(super) fn scale_shift(x: &ArrayD<f32>, scale: &[f32], shift: &[f32]) -> ArrayD<f32> {
    let mut result = x.clone();
    for ((mut channel, factor), summand) in result.axis_iter_mut(Axis(0)).zip(scale).zip(shift) {
        channel.mapv_inplace(|value| factor * value + summand);
    }
    result
}

/// 1 where a row (last axis) has not come to its first largest element yet, else 0.
pub(super) fn before_max(x: &ArrayD<f32>) -> ArrayD<f32> {
    let mut result = x.clone();
    for mut row in result.rows_mut() {
        let first = first_largest(row.view());
        row.iter_mut().enumerate().for_each(|(i, value)| *value = if i < first { 1.0 } else { 0.0 });
    }
    result
}

/// The least finite float where a row (last axis) has its first largest element.
pub(super) fn drop_max(x: &ArrayD<f32>) -> ArrayD<f32> {
    let mut result = x.clone();
    for mut row in result.rows_mut() {
        let first = first_largest(row.view());
        row[first] = f32::MIN;
    }
    result
}

fn first_largest(row: ArrayView1<f32>) -> usize {
    let mut first = 0;
    for (i, value) in row.iter().enumerate() {
        if *value > row[first] {
            first = i;
        }
    }
    first
}

#[cfg(test)]
mod tests {
    use crate::graph::Op;
    use crate::graph::evaluate::testing::{integers, run};
    use inferproof_circuits::formula::{Formula, Real};
    use ndarray::{ArrayD, array};
    use proptest::prelude::*;

    #[test]
    fn each_operation_on_a_small_tensor() {
        let x = array![[1.0, -2.0], [-3.0, 4.0]].into_dyn();
        let y = array![[5.0, 6.0], [7.0, -8.0]].into_dyn();
        let one = |op| run(op, &[&x]).unwrap();
        let two = |op| run(op, &[&x, &y]).unwrap();
        assert_eq!(one(Op::Relu), array![[1.0, 0.0], [0.0, 4.0]].into_dyn());
        let op = Op::ScaleShift { scale: vec![2.0, -1.0], shift: vec![0.5, 0.0] };
        assert_eq!(one(op), array![[2.5, -3.5], [3.0, -4.0]].into_dyn());
        assert_eq!(one(Op::AddConstant { values: y.clone() }), array![[6.0, 4.0], [4.0, -4.0]].into_dyn());
        assert_eq!(one(Op::MulConstant { values: y.clone() }), array![[5.0, -12.0], [-21.0, -32.0]].into_dyn());
        assert_eq!(two(Op::Add), array![[6.0, 4.0], [4.0, -4.0]].into_dyn());
        assert_eq!(two(Op::Sub), array![[-4.0, -8.0], [-10.0, 12.0]].into_dyn());
        assert_eq!(two(Op::Mul), array![[5.0, -12.0], [-21.0, -32.0]].into_dyn());
    }

    #[test]
    fn an_operand_may_stand_on_both_sides() {
        let x = array![3.0, -2.0].into_dyn();
        assert_eq!(run(Op::Sub, &[&x, &x]).unwrap(), array![0.0, 0.0].into_dyn());
        assert_eq!(run(Op::Mul, &[&x, &x]).unwrap(), array![9.0, 4.0].into_dyn());
    }

    #[test]
    fn a_function_is_taken_of_each_element_in_doubles() {
        let x = array![[0.1f32, -2.0, 3.0]].into_dyn();
        let exp = run(Op::Unary(Formula::Exp), &[&x]).unwrap();
        assert_eq!(exp, x.mapv(|value| f64::from(value).exp() as f32));
        let clip = Op::Unary(Formula::Clip { lo: Real(-1.0), hi: Real(2.0) });
        assert_eq!(run(clip, &[&x]).unwrap(), array![[0.1, -1.0, 2.0]].into_dyn());
    }

    #[test]
    fn ones_stand_before_the_first_largest_element_of_each_row() {
        let x = array![[[1.0, 5.0, 5.0], [7.0, -1.0, 7.0]], [[-3.0, -2.0, -1.0], [-0.0, 0.0, -4.0]]].into_dyn();
        let expected = array![[[1.0, 0.0, 0.0], [0.0, 0.0, 0.0]], [[1.0, 1.0, 0.0], [0.0, 0.0, 0.0]]].into_dyn();
        assert_eq!(run(Op::BeforeMax, &[&x]).unwrap(), expected);
        assert_eq!(run(Op::BeforeMax, &[&array![4.0].into_dyn()]).unwrap(), array![0.0].into_dyn());
        let dropped = run(Op::DropMax, &[&array![[3.0, 5.0, 5.0], [2.0, 1.0, 0.0]].into_dyn()]).unwrap();
        assert_eq!(dropped, array![[3.0, f32::MIN, 5.0], [f32::MIN, 1.0, 0.0]].into_dyn());
    }

    proptest! {
        /// Element `i` is 0 exactly if some element up to it reaches every element of the row.
        #[test]
        fn before_max_agrees_with_its_definition(rows in 1usize..4, length in 1usize..7, seed: u64) {
            let x = integers(&[rows, length], seed);
            let expected = ArrayD::from_shape_fn(vec![rows, length], |at| {
                let row: Vec<f32> = (0..length).map(|i| x[[at[0], i]]).collect();
                let is_reached = row[..=at[1]].iter().any(|value| row.iter().all(|other| value >= other));
                f32::from(u8::from(!is_reached))
            });
            prop_assert_eq!(run(Op::BeforeMax, &[&x]).unwrap(), expected);
        }

        #[test]
        fn scale_and_shift_agree_with_their_definition(c in 1usize..4, h in 1usize..4, w in 1usize..4, seed: u64) {
            let x = integers(&[c, h, w], seed);
            let (scale, shift) = (integers(&[c], seed ^ 1).into_raw_vec_and_offset().0, vec![seed as u8 as f32; c]);
            let expected =
                ArrayD::from_shape_fn(vec![c, h, w], |at| scale[at[0]] * x[[at[0], at[1], at[2]]] + shift[at[0]]);
            prop_assert_eq!(run(Op::ScaleShift { scale, shift }, &[&x]).unwrap(), expected);
        }
    }
}
