//! Matrix products, normalisation, and constants that are folded on the way to them.

use super::agreement::{agree, load, one};
use super::models::*;

#[test]
fn products_with_a_constant_on_either_side() {
    let cases = [
        (&[1, 4][..], &[4, 3][..]),
        (&[5, 4], &[4, 3]),
        (&[1, 5, 4], &[4, 3]),
        (&[2, 5, 4], &[4, 3]),
        (&[2, 3, 5, 4], &[1, 1, 4, 6]),
        (&[5, 4], &[1, 1, 4, 6]),
        (&[4], &[4, 3]),
        (&[2, 5, 4], &[4]),
        (&[4], &[1, 4, 3]),
    ];
    for (x, w) in cases {
        one(x, node("MatMul", &["x", "w"], &["y"], vec![]), vec![weights("w", w)]);
    }
    for (w, x) in
        [(&[3, 4][..], &[4, 5][..]), (&[3, 4], &[2, 4, 5]), (&[3, 4], &[4]), (&[4], &[4, 5]), (&[1, 3, 4], &[1, 4, 1])]
    {
        one(x, node("MatMul", &["w", "x"], &["y"], vec![]), vec![weights("w", w)]);
    }
    assert_eq!(
        one(&[1, 1, 4], node("MatMul", &["x", "w"], &["y"], vec![]), vec![weights("w", &[4, 3])]).last(),
        Some(&"Reshape")
    );
}

#[test]
fn products_with_several_constant_matrices() {
    let cases = [
        (&[1, 2, 3, 4][..], &[1, 2, 4, 5][..]),
        (&[2, 3, 4], &[2, 4, 1]),
        (&[3, 4], &[2, 4, 5]),
        (&[1, 4], &[2, 4, 5]),
        (&[4], &[2, 4, 5]),
        (&[5, 1, 3, 4], &[2, 4, 5]),
        (&[2, 3, 4], &[6, 1, 4, 5]),
        (&[2, 1, 4], &[3, 2, 4, 1]),
    ];
    for (x, w) in cases {
        let used = one(x, node("MatMul", &["x", "w"], &["y"], vec![]), vec![weights("w", w)]);
        assert_eq!(used.iter().filter(|&&name| name == "Conv").count(), 1, "{used:?}");
    }
    for (w, x) in
        [(&[2, 3, 4][..], &[4, 5][..]), (&[2, 3, 4], &[6, 1, 4, 5]), (&[2, 3, 4], &[4]), (&[2, 1, 4], &[2, 4, 1])]
    {
        one(x, node("MatMul", &["w", "x"], &["y"], vec![]), vec![weights("w", w)]);
    }
}

#[test]
fn gemm_in_every_order() {
    for (x, turns_x) in [([5, 4], 0), ([4, 5], 1)] {
        for (w, turns_w) in [([4, 3], 0), ([3, 4], 1)] {
            for dims in [&[][..], &[3], &[5, 1], &[5, 3], &[1, 3]] {
                let attributes =
                    vec![int("transA", turns_x), int("transB", turns_w), float("alpha", 0.5), float("beta", 2.0)];
                let gemm = node("Gemm", &["x", "w", "c"], &["y"], attributes);
                one(&x, gemm, vec![weights("w", &w), weights("c", dims)]);
            }
        }
    }
    let attributes = || vec![int("transA", 1), float("alpha", 0.5), float("beta", -1.5)];
    one(&[4, 5], node("Gemm", &["w", "x", "c"], &["y"], attributes()), vec![weights("w", &[4, 3]), weights("c", &[5])]);
    one(&[3, 3], node("Gemm", &["w", "x", "x"], &["y"], attributes()), vec![weights("w", &[3, 3])]);
}

#[test]
fn normalisation_of_any_rank_and_batch() {
    for shape in [&[1, 3][..], &[4, 3], &[1, 3, 5], &[2, 3, 2, 4], &[1, 3, 2, 3, 2]] {
        let constants =
            vec![weights("g", &[3]), weights("b", &[3]), weights("m", &[3]), floats("v", &[3], vec![0.5, 1.0, 2.0])];
        one(shape, node("BatchNormalization", &["x", "g", "b", "m", "v"], &["y"], vec![]), constants);
    }
}

#[test]
fn shapes_that_are_computed_from_the_shape_of_an_activation() {
    // As exporters write `x.reshape(x.shape[0], 2 * x.shape[1], -1)`.
    let nodes = vec![
        node("Shape", &["x"], &["shape"], vec![]),
        node("Gather", &["shape", "zero"], &["batch"], vec![]),
        node("Slice", &["shape", "one", "two"], &["size"], vec![]),
        node("Mul", &["size", "two"], &["double"], vec![]),
        node("Unsqueeze", &["batch", "zero_axis"], &["first"], vec![]),
        node("Concat", &["first", "double", "rest"], &["target"], vec![int("axis", 0)]),
        node("Cast", &["target"], &["as_float"], vec![int("to", 1)]),
        node("Cast", &["as_float"], &["again"], vec![int("to", 7)]),
        node("Reshape", &["x", "again"], &["y"], vec![]),
    ];
    let constants = vec![
        int_tensor("zero", &[], &[0]),
        ints("zero_axis", &[0]),
        ints("one", &[1]),
        ints("two", &[2]),
        ints("rest", &[-1]),
    ];
    let model = model(&[1, 3, 8], nodes, constants);
    assert_eq!(load(&model).output_shape, [1, 6, 4]);
    assert_eq!(agree(model), ["Input", "Reshape"]);
}

#[test]
fn weights_that_are_computed_from_weights() {
    let nodes = vec![
        node("ConstantOfShape", &["shape"], &["ones"], vec![tensor("value", floats("", &[1], vec![1.0]))]),
        node("Div", &["w", "ones"], &["a"], vec![]),
        node("Sub", &["a", "row"], &["b"], vec![]),
        node("Concat", &["b", "row"], &["c"], vec![int("axis", 0)]),
        node("Transpose", &["c"], &["d"], vec![]),
        node("Tanh", &["d"], &["e"], vec![]),
        node("Pad", &["e", "pads"], &["f"], vec![]),
        node("Flatten", &["f"], &["g"], vec![]),
        node("Split", &["g"], &["h", "unused"], vec![]),
        node("MatMul", &["x", "h"], &["y"], vec![]),
    ];
    let constants =
        vec![ints("shape", &[2, 4]), weights("w", &[2, 4]), weights("row", &[1, 4]), ints("pads", &[0, 0, 2, 1])];
    assert_eq!(agree(model(&[1, 3], nodes, constants)), ["Input", "Dense"]);
}
