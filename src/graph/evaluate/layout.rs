//! Operations that move elements.

use ndarray::{ArrayD, ArrayViewD, Axis, IxDyn, ShapeError, concatenate};

/// `shape` is that of the result.
pub(super) fn take(x: &ArrayD<f32>, axis: usize, indices: &[Option<usize>], fill: f32, shape: &[usize]) -> ArrayD<f32> {
    let mut result = ArrayD::from_elem(IxDyn(shape), fill);
    for (mut slice, index) in result.axis_iter_mut(Axis(axis)).zip(indices) {
        if let &Some(index) = index {
            slice.assign(&x.index_axis(Axis(axis), index));
        }
    }
    result
}

pub(super) fn concat(operands: &[&ArrayD<f32>], axis: usize) -> Result<ArrayD<f32>, ShapeError> {
    let views: Vec<ArrayViewD<f32>> = operands.iter().map(|operand| operand.view()).collect();
    concatenate(Axis(axis), &views)
}

#[cfg(test)]
mod tests {
    use crate::graph::evaluate::testing::{integers, run};
    use crate::graph::{Graph, Node, Op};
    use ndarray::{ArrayD, array};
    use proptest::prelude::*;

    #[test]
    fn transpose_then_reshape_reads_in_the_new_order() {
        let x = array![[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]].into_dyn();
        let nodes = vec![
            Node { name: "x".into(), op: Op::Input, inputs: vec![], shape: vec![2, 3] },
            Node { name: "t".into(), op: Op::Transpose { perm: vec![1, 0] }, inputs: vec![0], shape: vec![3, 2] },
            Node { name: "r".into(), op: Op::Reshape, inputs: vec![1], shape: vec![6] },
        ];
        let values = Graph { nodes, input: 0, output: 2 }.run_f32(&x).unwrap();
        assert_eq!(values[2], array![1.0, 4.0, 2.0, 5.0, 3.0, 6.0].into_dyn());
    }

    #[test]
    fn a_take_reverses_repeats_and_pads() {
        let x = array![[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]].into_dyn();
        let take = |axis, indices: &[Option<usize>], fill| {
            run(Op::Take { axis, indices: indices.to_vec(), fill }, &[&x]).unwrap()
        };
        assert_eq!(
            take(1, &[Some(2), None, Some(0), Some(0)], -1.5),
            array![[3.0, -1.5, 1.0, 1.0], [6.0, -1.5, 4.0, 4.0]].into_dyn()
        );
        assert_eq!(take(0, &[None, Some(1)], 0.0), array![[0.0, 0.0, 0.0], [4.0, 5.0, 6.0]].into_dyn());
        assert_eq!(take(0, &[Some(1)], 9.0), array![[4.0, 5.0, 6.0]].into_dyn());
    }

    #[test]
    fn concatenated_operands_follow_one_another() {
        let (x, y) = (array![[1.0], [2.0]].into_dyn(), array![[3.0, 4.0], [5.0, 6.0]].into_dyn());
        let joined = run(Op::Concat { axis: 1 }, &[&x, &y, &x]).unwrap();
        assert_eq!(joined, array![[1.0, 3.0, 4.0, 1.0], [2.0, 5.0, 6.0, 2.0]].into_dyn());
        assert_eq!(run(Op::Concat { axis: 0 }, &[&y]).unwrap(), y);
        assert!(run(Op::Concat { axis: 0 }, &[&x, &y]).is_err());
    }

    /// Row-major positions of all elements of a shape.
    fn positions(shape: &[usize]) -> Vec<Vec<usize>> {
        shape.iter().fold(vec![vec![]], |prefixes, &size| {
            prefixes.iter().flat_map(|prefix| (0..size).map(|i| [&prefix[..], &[i]].concat())).collect()
        })
    }

    fn shape_and_axis() -> impl Strategy<Value = (Vec<usize>, usize)> {
        prop::collection::vec(1usize..4, 1..5).prop_flat_map(|shape| {
            let rank = shape.len();
            (Just(shape), 0..rank)
        })
    }

    fn take_case() -> impl Strategy<Value = (Vec<usize>, usize, Vec<Option<usize>>)> {
        shape_and_axis().prop_flat_map(|(shape, axis)| {
            let indices = prop::collection::vec(prop::option::of(0..shape[axis]), 1..6);
            (Just(shape), Just(axis), indices)
        })
    }

    proptest! {
        #[test]
        fn take_agrees_with_its_definition((shape, axis, indices) in take_case(), seed: u64) {
            let x = integers(&shape, seed);
            let got = run(Op::Take { axis, indices: indices.clone(), fill: 99.5 }, &[&x]).unwrap();
            let mut result_shape = shape;
            result_shape[axis] = indices.len();
            prop_assert_eq!(got.shape(), &result_shape[..]);
            for at in positions(&result_shape) {
                let mut from = at.clone();
                let expected = match indices[at[axis]] {
                    None => 99.5,
                    Some(index) => {
                        from[axis] = index;
                        x[&from[..]]
                    }
                };
                prop_assert_eq!(got[&at[..]], expected);
            }
        }

        #[test]
        fn concat_agrees_with_its_definition(
            (shape, axis) in shape_and_axis(),
            sizes in prop::collection::vec(1usize..4, 1..5),
            seed: u64,
        ) {
            let operands: Vec<ArrayD<f32>> = sizes.iter().zip(seed / 2..).map(|(&size, seed)| {
                let mut shape = shape.clone();
                shape[axis] = size;
                integers(&shape, seed)
            }).collect();
            let got = run(Op::Concat { axis }, &operands.iter().collect::<Vec<_>>()).unwrap();
            prop_assert_eq!(got.len(), operands.iter().map(ArrayD::len).sum::<usize>());
            let mut start = 0;
            for operand in &operands {
                for at in positions(operand.shape()) {
                    let mut to = at.clone();
                    to[axis] += start;
                    prop_assert_eq!(got[&to[..]], operand[&at[..]]);
                }
                start += operand.shape()[axis];
            }
        }
    }
}
