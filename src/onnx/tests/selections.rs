//! Reductions, indices of extrema, and probabilities.

use ndarray::{ArrayD, Axis, IxDyn};

use super::agreement::{agree, input, load, one, run};
use super::models::*;

#[test]
fn reductions_over_any_axes() {
    for operator in ["ReduceSum", "ReduceMean", "ReduceMax", "ReduceMin"] {
        for axes in [&[1][..], &[-1], &[2, 3], &[0, 2], &[3, 1]] {
            for keepdims in [0, 1] {
                let keep = int("keepdims", keepdims);
                let (attributes, constants, inputs): (_, _, &[&str]) = match operator {
                    "ReduceSum" => (vec![keep], vec![ints("a", axes)], &["x", "a"]),
                    _ => (vec![keep, int_list("axes", axes)], vec![], &["x"]),
                };
                one(&[2, 3, 4, 2], node(operator, inputs, &["y"], attributes), constants);
            }
        }
        let model = at_version(18, single(&[1, 3, 4], node(operator, &["x"], &["y"], vec![]), vec![]));
        assert_eq!(load(&model).output_shape, [1, 1, 1]);
    }
    let none = node("ReduceSum", &["x"], &["y"], vec![int("noop_with_empty_axes", 1)]);
    assert_eq!(one(&[1, 3], none, vec![]), ["Input"]);
    let mean = node("ReduceMean", &["x"], &["y"], vec![int_list("axes", &[2, 3])]);
    assert_eq!(one(&[1, 3, 4, 5], mean, vec![]), ["Input", "Reshape", "SumPool", "Reshape"]);
}

/// The input of the model in the shape that ONNX gives it.
fn input_of(model: &tract_onnx::pb::ModelProto) -> ArrayD<f32> {
    let import = load(model);
    input(&import.graph).into_shape_with_order(IxDyn(&import.input_shape)).unwrap()
}

#[test]
fn indices_of_extrema() {
    for operator in ["ArgMax", "ArgMin"] {
        for axis in [0, 1, -1] {
            let attributes = vec![int("axis", axis), int("keepdims", axis & 1)];
            one(&[3, 4, 5], node(operator, &["x"], &["y"], attributes), vec![]);
        }
        // All elements are equal: the first one is taken, or the last one.
        for (last, expected) in [(0, 0.0), (1, 6.0)] {
            let nodes = vec![
                node("Mul", &["x", "zero"], &["z"], vec![]),
                node(operator, &["z"], &["y"], vec![int("axis", 1), int("select_last_index", last)]),
            ];
            let y = run(&model(&[2, 7], nodes, vec![floats("zero", &[1], vec![0.0])]));
            assert_eq!((y.shape(), y.iter().all(|&index| index == expected)), (&[2, 1][..], true));
        }
    }
}

#[test]
fn the_largest_elements_in_order() {
    for (axis, largest, k) in [(-1, 1, 3), (1, 0, 2), (0, 1, 1)] {
        for output in ["values", "indices"] {
            let attributes = vec![int("axis", axis), int("largest", largest)];
            let nodes = vec![
                node("TopK", &["x", "k"], &["values", "indices"], attributes),
                node("Identity", &[output], &["y"], vec![]),
            ];
            let model = model(&[2, 4, 5], nodes, vec![ints("k", &[k])]);
            let (x, y) = (input_of(&model), run(&model));
            let axis = Axis(axis.rem_euclid(3) as usize);
            for (x, y) in x.lanes(axis).into_iter().zip(y.lanes(axis)) {
                let mut order: Vec<usize> = (0..x.len()).collect();
                order.sort_by(|&i, &j| if largest == 1 { x[j].total_cmp(&x[i]) } else { x[i].total_cmp(&x[j]) });
                let value = |&index: &usize| if output == "values" { x[index] } else { index as f32 };
                let expected: Vec<f32> = order[..k as usize].iter().map(value).collect();
                assert_eq!(y.to_vec(), expected);
            }
        }
    }
    let old = at_version(7, single(&[1, 4], node("TopK", &["x"], &["y", "i"], vec![int("k", 2)]), vec![]));
    assert_eq!(load(&old).output_shape, [1, 2]);
}

#[test]
fn probabilities_of_every_version() {
    for operator in ["Softmax", "LogSoftmax"] {
        for axis in [0, 1, -1] {
            agree(single(&[2, 3, 4], node(operator, &["x"], &["y"], vec![int("axis", axis)]), vec![]));
            agree(at_version(11, single(&[2, 3, 4], node(operator, &["x"], &["y"], vec![int("axis", axis)]), vec![])));
        }
        one(&[1, 5], node(operator, &["x"], &["y"], vec![]), vec![]);
    }
}
