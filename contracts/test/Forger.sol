// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.24;

import {IInferenceVerifier, Inference} from "../IInferenceVerifier.sol";
import {InferenceVerifier} from "../InferenceVerifier.sol";
import {PROOF_TAG} from "../MachineShape.sol";
import {Claims} from "./Claims.sol";
import {Key, Keys} from "./Keys.sol";

/// @notice What the forger wants.
/// @param secret Whether the model's weights are secret.
/// @param input What a verifier sees of the input.
/// @param output What a verifier sees of the output.
/// @param fed Whether the commitment to the input is that of an output, as between segments.
/// @param shift By how much the commitment to the weights' column is off.
/// @param opening By how much the opening's equation is wrong.
/// @param weights By how much the weights' equation is wrong; for public weights it follows from `shift`.
/// @param link By how much the link's equation is wrong.
/// @param merge What the forger takes for the factor of the weights' equation, to make up for what is wrong with what
/// is chosen last.
/// @param early Whether that is the factor that there would be if what is chosen last were not hashed.
/// @param infinity Whether the last point is such that the right side of the pairing's equation is at infinity.
struct Forgery {
    bool secret;
    uint8 input;
    uint8 output;
    bool fed;
    uint256 shift;
    uint256 opening;
    uint256 weights;
    uint256 link;
    uint256 merge;
    bool early;
    bool infinity;
}

/// @title A forger who knows the secret of the SRS
/// @notice Whoever knows tau can open any commitment to anything, so a proof can be made in which exactly one equation
/// is wrong. Here tau is 1, every point is a known multiple of the generator, and a proof is made of numbers. This
/// follows docs/spec/transcript.md, not the contract.
abstract contract Forger is Claims {
    /// @dev Everything that is computed on the way. All points by their multiples of the generator.
    struct Work {
        bytes32 state;
        uint256 channel;
        uint256 position;
        uint256 omega;
        uint256 copyBeta;
        uint256 copyGamma;
        uint256 y;
        uint256 x;
        uint256 step;
        uint256 v;
        uint256 u;
        uint256 xn;
        uint256 next;
        uint256 copyNext;
        uint256 opening;
        bytes mask;
        bytes front;
        bytes evaluations;
        bytes back;
    }

    uint256 private constant K = 4;
    uint256 private constant ROOT = 0x03ddb9f5166d18b798865ea93dd31f743215cf6dd39329c8d34f1ed960c37c9c;
    /// @dev The generator of cosets, by which the copy columns are told apart.
    uint256 private constant DELTA = 0x09226b6e22c6f0ca64ec26aad4c86e715b5f898e5e963f25870e56bbe533e9a2;
    uint256 private constant SECOND_RESPONSE = 5;
    /// @dev Multiples that the lanes are, the points of the span, that of the link row, the tensors and the mask.
    uint256 private constant LANE_0 = 11;
    uint256 private constant LANE_1 = 13;
    uint256 private constant SPAN_0 = 3;
    uint256 private constant SPAN_1 = 7;
    uint256 private constant LINK_ROW = 17;
    uint256 private constant INPUT = 23;
    uint256 private constant OUTPUT = 29;
    uint256 private constant MASK = 31;
    /// @dev What the link's polynomial is opened to, and the product of the copies.
    uint256 private constant VALUE = 37;
    uint256 private constant COPY = 41;
    bytes32 private constant CONTEXT = "context";

    /// @notice A verifier for an SRS whose secret is known, and a model of each kind.
    function setUp() external {
        bytes memory g2 = abi.encode(
            0x198e9393920d483a7260bfb731fb5d25f1aa493335a9e71297e485b7aef312c2,
            0x1800deef121f1e76426a00665e5c4479674322d4f75edadd46debd5cd992f6ed,
            0x090689d0585ff075ec9e99ad690c3395bc4b313370b38ef355acdadcd122975b,
            0x12c85ea5db8c6deb4aab71808dcb408fe3d1e7690c43d37b4ce6cc0166fa7daa
        );
        bytes memory rows = bytes.concat(times(SPAN_0), times(SPAN_1), times(LINK_ROW));
        verifier = new InferenceVerifier(bytes.concat(hex"0104", g2, rows));
        for (uint256 i = 0; i < kinds(); ++i) {
            verifier.storeKey(Keys.encode(_keyOf(kind(i))));
        }
    }

    /// @notice Fails unless a claim with these errors is accepted. In a call of its own, since memory is never given
    /// back and costs ever more.
    function accept(Forgery calldata f) external view {
        accepted(claimOf(f));
    }

    /// @notice Fails unless a claim with these errors is refused. In a call of its own, like `accept`.
    function refuse(Forgery calldata f) external view {
        refused(claimOf(f), invalid());
    }

    /// @dev How many kinds of models there are.
    function kinds() internal pure returns (uint256) {
        return 24;
    }

    /// @dev A proof of each kind with nothing wrong: weights public or secret in turn, and every way of showing input
    /// and output.
    function kind(uint256 index) internal pure returns (Forgery memory f) {
        f.secret = index % 2 == 1;
        f.output = uint8(index / 2 % 4);
        f.input = uint8(index / 8);
    }

    /// @dev Whether input or output is committed.
    function isLinked(Forgery memory f) internal pure returns (bool) {
        return f.input == Keys.COMMITTED || f.output == Keys.COMMITTED || f.output == Keys.GIVEN;
    }

    /// @dev Whether the proof has a mask: it hides the tensors of the link, unless that is a fresh output alone.
    function isMasked(Forgery memory f) internal pure returns (bool) {
        return f.input == Keys.COMMITTED || f.output == Keys.GIVEN;
    }

    /// @dev The error of a claim that is well-formed and not proved.
    function invalid() internal pure returns (bytes memory) {
        return abi.encodeWithSelector(IInferenceVerifier.InvalidProof.selector);
    }

    /// @dev A claim with the errors that are asked for.
    function claimOf(Forgery memory f) internal view returns (Inference memory one) {
        (one,) = prove(f);
    }

    /// @dev The same, and the last state of its transcript.
    function prove(Forgery memory f) internal view returns (Inference memory one, bytes32 state) {
        one = Inference(Keys.idOf(_keyOf(f)), _shown(f.input, _inputOf(f)), _shown(f.output, OUTPUT), CONTEXT, "");
        Work memory w;
        if (isMasked(f)) w.mask = times(MASK);
        _commit(f, one, w);
        _evaluate(w);
        _open(w);
        _finish(f, w);
        one.proof = bytes.concat(PROOF_TAG, w.mask, w.front, w.evaluations, w.back);
        state = w.state;
    }

    function _keyOf(Forgery memory f) private view returns (Key memory key) {
        key = Keys.small(verifier.srsId(), f.secret ? 1 : 0, bytes.concat(times(LANE_0), times(LANE_1)));
        (key.input.visibility, key.output.visibility) = (f.input, f.output);
        key.words = _words(f);
    }

    function _words(Forgery memory f) private pure returns (uint32) {
        return (f.input == Keys.PUBLIC ? 1 : 0) + (f.output == Keys.PUBLIC ? 1 : 0);
    }

    function _inputOf(Forgery memory f) private pure returns (uint256) {
        return f.fed ? OUTPUT : INPUT;
    }

    /// @dev A tensor of a zero, as a statement has it.
    function _shown(uint8 visibility, uint256 multiple) private view returns (bytes memory) {
        if (visibility == Keys.PUBLIC) return hex"00";
        return visibility == Keys.PRIVATE ? bytes("") : times(multiple);
    }

    /// @dev Points: all are the generator, but the one of the weights' column. Challenges up to `x`.
    function _commit(Forgery memory f, Inference memory one, Work memory w) private view {
        bytes memory statement = abi.encodePacked("inferproof/proof/1", uint16(1), one.modelId, one.context);
        statement = abi.encodePacked(statement, uint32(one.input.length), one.input);
        statement = abi.encodePacked(statement, uint32(one.output.length), one.output, w.mask);
        bytes memory words = new bytes(32 * _words(f));
        _points(w, 5);
        w.channel = _absorb(w, bytes.concat(statement, abi.encode(0xd16e57), words, w.front));
        w.position = _again(w);
        _again(w); // alpha
        _again(w); // beta
        // omega = sum_j R^j w_j + R^W nu [L_2]
        w.omega = addmod(LANE_0 + f.shift, mulmod(w.channel, LANE_1, FR), FR);
        if (isLinked(f)) w.omega = addmod(w.omega, mulmod(power(w.channel, 2), VALUE * LINK_ROW, FR), FR);
        w.front = bytes.concat(w.front, times(w.omega));
        _points(w, 12);
        _absorb(w, sliced(w.front, 320, 768)); // theta
        w.copyBeta = _again(w);
        w.copyGamma = _again(w);
        w.y = _absorb(w, sliced(w.front, 768, 896));
        w.x = _absorb(w, sliced(w.front, 896, 1152));
    }

    /// @dev Adds points, up to 18 after the weights' column.
    function _points(Work memory w, uint256 count) private view {
        for (uint256 i = 0; i < count; ++i) {
            w.front = bytes.concat(w.front, times(1));
        }
    }

    /// @dev Evaluations: zero, so that no constraint of the machine says anything, but for the product of the copies:
    /// at the next row it is such that the constraints add up to zero, and so the quotient is.
    function _evaluate(Work memory w) private view {
        w.next = mulmod(w.x, _root(1), FR);
        w.xn = power(w.x, 1 << K);
        uint256 right = COPY;
        uint256 term = mulmod(w.copyBeta, w.x, FR);
        for (uint256 i = 0; i < 3; ++i) {
            right = mulmod(right, addmod(term, w.copyGamma, FR), FR);
            term = mulmod(term, DELTA, FR);
        }
        // y^2 l_0 (1 - Z) + y l_last (Z^2 - Z) + (1 - l_last - l_blind) (Z' left - Z right) = 0
        uint256 ends = mulmod(mulmod(w.y, w.y, FR), mulmod(_lagrange(w, 0), _minus(1, COPY), FR), FR);
        ends = addmod(ends, mulmod(w.y, mulmod(_lagrange(w, 10), COPY * (COPY - 1), FR), FR), FR);
        uint256 active = 1;
        for (uint256 i = 10; i < 16; ++i) {
            active = _minus(active, _lagrange(w, i));
        }
        right = _minus(right, mulmod(ends, power(active, FR - 2), FR));
        w.copyNext = mulmod(right, power(power(w.copyGamma, 3), FR - 2), FR);
        w.evaluations = bytes.concat(new bytes(31 * 32), abi.encode(COPY, w.copyNext));
        w.step = _absorb(w, w.evaluations);
        w.v = _again(w);
        w.back = times(1);
        w.u = _absorb(w, w.back);
    }

    /// @dev What the opening's equation has without the last point and the weights'.
    function _open(Work memory w) private view {
        // Opened at x: six columns of which the last is that of the weights, the quotient's pieces, the random
        // polynomial.
        uint256 sum = 0;
        for (uint256 i = 0; i < 6; ++i) {
            sum = addmod(sum, mulmod(power(w.step, i), i == 5 ? w.omega : 1, FR), FR);
        }
        for (uint256 i = 0; i < 4; ++i) {
            sum = addmod(sum, mulmod(power(w.step, 16), power(w.xn, i), FR), FR);
        }
        sum = addmod(sum, power(w.step, 17), FR);
        // Opened at x and at the next row: seven columns, the last the copies' product, opened to the line through both
        // values.
        uint256 scale = mulmod(w.v, power(_minus(w.u, w.next), FR - 2), FR);
        for (uint256 i = 0; i < 7; ++i) {
            sum = addmod(sum, mulmod(scale, power(w.step, i), FR), FR);
        }
        uint256 along = mulmod(_minus(w.u, w.x), power(_minus(w.next, w.x), FR - 2), FR);
        uint256 line = addmod(COPY, mulmod(along, _minus(w.copyNext, COPY), FR), FR);
        sum = _minus(sum, mulmod(mulmod(scale, power(w.step, 6), FR), line, FR));
        w.opening = _minus(sum, _minus(w.u, w.x));
    }

    /// @dev The last point, the link proof and the span proof. What comes last makes up for the others, if the factor
    /// is known.
    function _finish(Forgery memory f, Work memory w) private view {
        uint256 target = f.opening;
        if (!f.secret && !isLinked(f)) target = _minus(target, mulmod(_factor(f, w.state), f.shift, FR));
        if (f.infinity) target = mulmod(w.opening, power(w.u, FR - 2), FR);
        // tau h2 = opening + u h2 - target, with tau = 1.
        bytes memory last = times(mulmod(_minus(w.opening, target), power(_minus(1, w.u), FR - 2), FR));
        if (isLinked(f)) last = bytes.concat(last, abi.encode(VALUE), _quotient(f, w, last));
        w.back = bytes.concat(w.back, last);
        if (f.secret) _span(f, w, last);
        else _absorb(w, last);
    }

    /// @dev The point of the link proof, after `last`.
    function _quotient(Forgery memory f, Work memory w, bytes memory last) private view returns (bytes memory) {
        uint256 error = f.link;
        bytes32 state = keccak256(bytes.concat(w.state, last, abi.encode(VALUE)));
        uint256 merge = f.secret ? 0 : _factor(f, state);
        if (merge != 0) {
            error = addmod(f.opening, mulmod(merge, f.shift, FR), FR);
            error = _minus(0, mulmod(error, power(mulmod(merge, merge, FR), FR - 2), FR));
        }
        // tau u Q = T_0 + R T_1 + R^2 T_2 - nu + Q - error, with the mask, the input, the output as far as there are
        // any.
        uint256 sum = 0;
        if (f.output == Keys.COMMITTED || f.output == Keys.GIVEN) sum = OUTPUT;
        if (f.input == Keys.COMMITTED) sum = addmod(mulmod(sum, w.channel, FR), _inputOf(f), FR);
        if (isMasked(f)) sum = addmod(mulmod(sum, w.channel, FR), MASK, FR);
        sum = _minus(sum, addmod(VALUE, error, FR));
        return times(mulmod(sum, power(_minus(w.position, 1), FR - 2), FR));
    }

    /// @dev The span proof, whose point is hashed together with `last`.
    function _span(Forgery memory f, Work memory w, bytes memory last) private view {
        bytes memory first = times(1);
        uint256 challenge = _absorb(w, bytes.concat(last, first));
        uint256 error = f.weights;
        uint256 merge = _factor(f, w.state);
        if (merge != 0) {
            error = mulmod(f.opening, power(merge, FR - 2), FR);
            error = _minus(0, addmod(error, mulmod(f.link, merge, FR), FR));
        }
        // z_0 B_0 + z_1 B_1 = T + c (omega - lanes - link) + error
        uint256 right = addmod(addmod(1, mulmod(challenge, f.shift, FR), FR), error, FR);
        uint256 response = mulmod(_minus(right, SECOND_RESPONSE * SPAN_1), power(SPAN_0, FR - 2), FR);
        bytes memory responses = abi.encode(response, SECOND_RESPONSE);
        w.back = bytes.concat(w.back, first, responses);
        _absorb(w, responses);
    }

    /// @dev What the forger takes for the factor of the weights' equation; zero for nothing.
    function _factor(Forgery memory f, bytes32 state) private pure returns (uint256) {
        return f.early ? uint256(keccak256(abi.encodePacked(state, hex"01"))) % FR : f.merge;
    }

    /// @dev The root of unity that stands for a row.
    function _root(uint256 row) private view returns (uint256) {
        return power(ROOT, row << (28 - K));
    }

    /// @dev The polynomial that is 1 on a row and 0 on the others, at `x`.
    function _lagrange(Work memory w, uint256 row) private view returns (uint256) {
        uint256 root = _root(row);
        uint256 below = mulmod(1 << K, _minus(w.x, root), FR);
        return mulmod(mulmod(root, _minus(w.xn, 1), FR), power(below, FR - 2), FR);
    }

    function _absorb(Work memory w, bytes memory data) private pure returns (uint256) {
        w.state = keccak256(bytes.concat(w.state, data));
        return uint256(w.state) % FR;
    }

    function _again(Work memory w) private pure returns (uint256) {
        return _absorb(w, hex"01");
    }

    function _minus(uint256 a, uint256 b) private pure returns (uint256) {
        return addmod(a, FR - b % FR, FR);
    }
}
