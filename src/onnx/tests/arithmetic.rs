//! Functions of one element and arithmetic on operands that broadcast.

use ndarray::{ArrayD, IxDyn, Zip};
use tract_onnx::pb::NodeProto;

use super::agreement::{agree, assert_close, input, load, one, run};
use super::models::*;

#[test]
fn functions_without_parameters() {
    let operators = [
        "Abs",
        "Ceil",
        "Erf",
        "Exp",
        "Floor",
        "HardSwish",
        "Mish",
        "Neg",
        "Reciprocal",
        "Round",
        "Sigmoid",
        "Sign",
        "Softplus",
        "Softsign",
        "Tanh",
    ];
    for operator in operators {
        let graph = at_version(18, single(&[2, 3, 4], node(operator, &["x"], &["y"], vec![]), vec![]));
        assert_eq!(agree(graph), ["Input", operator]);
    }
    for operator in ["Log", "Sqrt"] {
        let nodes = vec![node("Abs", &["x"], &["a"], vec![]), node(operator, &["a"], &["y"], vec![])];
        agree(model(&[5], nodes, vec![]));
    }
}

#[test]
fn functions_with_parameters() {
    let alpha = || vec![float("alpha", 0.3)];
    for operator in ["LeakyRelu", "Elu", "ThresholdedRelu", "Selu", "HardSigmoid"] {
        for attributes in [vec![], alpha()] {
            one(&[1, 3, 4], node(operator, &["x"], &["y"], attributes), vec![]);
        }
    }
    // The reference lacks these, and forgets a factor of `Celu`.
    let compare = |operator: &str, attributes, function: &dyn Fn(f64) -> f64| {
        let model = at_version(24, single(&[1, 7], node(operator, &["x"], &["y"], attributes), vec![]));
        let x = input(&load(&model).graph).into_shape_with_order(IxDyn(&[1, 7])).unwrap();
        assert_close(&run(&model), &x.mapv(|x| function(x.into()) as f32));
    };
    compare("Gelu", vec![], &|x| 0.5 * x * (1.0 + erf(x / 2f64.sqrt())));
    let tanh = |x: f64| 0.5 * x * (1.0 + (0.797_884_560_8 * (x + 0.044_715 * x.powi(3))).tanh());
    compare("Gelu", vec![text("approximate", "tanh")], &tanh);
    compare("Swish", vec![float("alpha", 2.0)], &|x| x / (1.0 + (-2.0 * x).exp()));
    compare("Celu", alpha(), &|x| x.max(0.0) + (0.3 * ((x / 0.3).exp() - 1.0)).min(0.0));
    compare("Celu", vec![], &|x| x.max(0.0) + (x.exp() - 1.0).min(0.0));
}

/// The error function by its series, which is exact enough between -1 and 1.
fn erf(x: f64) -> f64 {
    let mut term = x;
    let mut sum = x;
    for n in 1..40 {
        term *= -x * x / f64::from(n);
        sum += term / f64::from(2 * n + 1);
    }
    sum * 2.0 / std::f64::consts::PI.sqrt()
}

#[test]
fn clips_by_attributes_and_by_inputs() {
    for attributes in [vec![float("min", -0.5)], vec![float("max", 0.25)], vec![float("min", -0.5), float("max", 0.25)]]
    {
        agree(at_version(8, single(&[1, 9], node("Clip", &["x"], &["y"], attributes), vec![])));
    }
    let bounds = || vec![floats("lo", &[], vec![0.0]), floats("hi", &[], vec![0.5])];
    assert_eq!(one(&[1, 9], node("Clip", &["x", "lo"], &["y"], vec![]), bounds()), ["Input", "Relu"]);
    assert_eq!(one(&[1, 9], node("Clip", &["x", "", "hi"], &["y"], vec![]), bounds()), ["Input", "Clip"]);
    assert_eq!(one(&[1, 9], node("Clip", &["x", "lo", "hi"], &["y"], vec![]), bounds()), ["Input", "Clip"]);
    assert_eq!(one(&[1, 9], node("Clip", &["x"], &["y"], vec![]), vec![]), ["Input"]);
}

#[test]
fn slopes_below_zero() {
    for (dims, nodes) in [(&[1][..], 2), (&[3, 1, 1], 6), (&[3, 4, 5], 6)] {
        let operators = one(&[1, 3, 4, 5], node("PRelu", &["x", "s"], &["y"], vec![]), vec![weights("s", dims)]);
        assert_eq!(operators.len(), nodes, "{operators:?}");
    }
}

fn binary(operator: &str) -> NodeProto {
    node(operator, &["x", "c"], &["y"], vec![])
}

#[test]
fn constants_of_every_shape_on_either_side() {
    for operator in ["Add", "Sub", "Mul", "Div", "Max", "Min"] {
        for dims in [&[][..], &[1], &[3, 1, 1], &[4], &[1, 3, 4, 4], &[2, 1, 1, 1], &[2, 1, 1, 4, 1]] {
            let constants = || vec![weights("c", dims)];
            one(&[1, 3, 4, 4], binary(operator), constants());
            one(&[1, 3, 4, 4], node(operator, &["c", "x"], &["y"], vec![]), constants());
        }
    }
    assert_eq!(one(&[1, 3, 4], binary("Mul"), vec![weights("c", &[3, 1])]), ["Input", "ScaleShift"]);
    assert_eq!(one(&[1, 3, 4], binary("Mul"), vec![weights("c", &[4])]), ["Input", "MulConstant"]);
    assert_eq!(one(&[1, 3, 4], binary("Max"), vec![weights("c", &[1])]), ["Input", "Clip"]);
}

#[test]
fn activations_that_broadcast_to_each_other() {
    for operator in ["Add", "Sub", "Mul", "Div", "Max", "Min"] {
        let nodes = vec![
            node("Transpose", &["x"], &["t"], vec![int_list("perm", &[1, 0, 2])]),
            node(operator, &["x", "t"], &["y"], vec![]),
        ];
        agree(model(&[1, 3, 4], nodes, vec![]));
        let nodes = vec![node("Squeeze", &["x", "axis"], &["v"], vec![]), node(operator, &["v", "x"], &["y"], vec![])];
        agree(model(&[4, 1], nodes, vec![ints("axis", &[1])]));
    }
}

#[test]
fn extrema_and_sums_of_many_operands() {
    for operator in ["Max", "Min", "Sum", "Mean"] {
        let nodes = vec![
            node("Neg", &["x"], &["n"], vec![]),
            node("Abs", &["x"], &["a"], vec![]),
            node(operator, &["n", "c", "a", "d", "x"], &["y"], vec![]),
        ];
        let constants = vec![weights("c", &[4]), weights("d", &[1, 3, 1])];
        let model = model(&[1, 3, 4], nodes, constants.clone());
        let x = input(&load(&model).graph).into_shape_with_order(IxDyn(&[1, 3, 4])).unwrap();
        let constant = |index: usize, dims: &[usize]| {
            let values: &Vec<f32> = &constants[index].float_data;
            let array = ArrayD::from_shape_vec(IxDyn(dims), values.clone()).unwrap();
            array.broadcast(IxDyn(&[1, 3, 4])).unwrap().to_owned()
        };
        let (c, d) = (constant(0, &[4]), constant(1, &[1, 3, 1]));
        let expected = Zip::from(&x).and(&c).and(&d).map_collect(|&x, &c, &d| {
            let all = [-x, c, x.abs(), d, x];
            match operator {
                "Max" => all.into_iter().fold(f32::MIN, f32::max),
                "Min" => all.into_iter().fold(f32::MAX, f32::min),
                "Sum" => all.iter().sum(),
                _ => all.iter().sum::<f32>() / 5.0,
            }
        });
        assert_close(&run(&model), &expected);
        let single = single(&[1, 3], node(operator, &["x"], &["y"], vec![]), vec![]);
        assert_close(&run(&single), &input(&load(&single).graph).into_shape_with_order(IxDyn(&[1, 3])).unwrap());
    }
}
