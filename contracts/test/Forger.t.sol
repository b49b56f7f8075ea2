// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.24;

import {IInferenceVerifier, Inference} from "../IInferenceVerifier.sol";
import {InferenceVerifier} from "../InferenceVerifier.sol";
import {PROOF_TAG} from "../MachineShape.sol";
import {Claims} from "./Claims.sol";
import {Key, Keys} from "./Keys.sol";

/// @title Tests with a forger who knows the secret of the SRS
/// @notice Whoever knows tau can open any commitment to anything, so a proof can be made in which exactly one equation is wrong. What
/// must stop it are the factors by which the verifier adds its equations up: they come from a hash of all that could be adjusted. Here
/// tau is 1, every point is a known multiple of the generator, and a proof is made of numbers. This follows
/// docs/spec/transcript.md, not the contract.
contract ForgerTest is Claims {
    /// @dev What the forger wants.
    struct Forgery {
        bytes32 modelId;
        bool secret;
        // The commitment to the weights' column. It is right if it is `LANE`.
        uint256 omega;
        // By how much the opening's equation is wrong.
        uint256 opening;
        // By how much the weights' equation is wrong; for public weights it follows from omega.
        uint256 weights;
        // What the forger takes for the factor of the weights' equation, and whether that is a function of what was hashed before
        // the last thing that must be.
        uint256 merge;
        bool early;
        // The last point is such that the right side of the pairing's equation is at infinity.
        bool infinity;
    }

    /// @dev Everything that is computed on the way. All points by their multiples of the generator.
    struct Work {
        bytes32 state;
        uint256 copyBeta;
        uint256 copyGamma;
        uint256 x;
        uint256 step;
        uint256 v;
        uint256 u;
        uint256 xn;
        uint256 next;
        uint256 copyNext;
        uint256 opening;
        uint256 span;
        uint256 challenge;
        uint256 response;
        bytes front;
        bytes evaluations;
        bytes back;
    }

    uint256 private constant K = 4;
    uint256 private constant ROOT = 0x03ddb9f5166d18b798865ea93dd31f743215cf6dd39329c8d34f1ed960c37c9c;
    /// @dev The generator of cosets, by which the copy columns are told apart.
    uint256 private constant DELTA = 0x09226b6e22c6f0ca64ec26aad4c86e715b5f898e5e963f25870e56bbe533e9a2;
    uint256 private constant LANE = 11;
    uint256 private constant SECOND_RESPONSE = 5;
    /// @dev Multiples that the points of the span are.
    uint256 private constant SPAN_0 = 3;
    uint256 private constant SPAN_1 = 7;
    bytes32 private constant CONTEXT = "context";

    bytes32 private _public;
    bytes32 private _secret;

    /// @notice A verifier for an SRS whose secret is known, and two models.
    function setUp() external {
        bytes memory g2 = abi.encode(
            0x198e9393920d483a7260bfb731fb5d25f1aa493335a9e71297e485b7aef312c2,
            0x1800deef121f1e76426a00665e5c4479674322d4f75edadd46debd5cd992f6ed,
            0x090689d0585ff075ec9e99ad690c3395bc4b313370b38ef355acdadcd122975b,
            0x12c85ea5db8c6deb4aab71808dcb408fe3d1e7690c43d37b4ce6cc0166fa7daa
        );
        verifier = new InferenceVerifier(bytes.concat(hex"0104", g2, times(SPAN_0), times(SPAN_1)));
        bytes32 srsId = verifier.srsId();
        _public = verifier.storeKey(Keys.encode(Keys.small(srsId, 0, times(LANE))));
        _secret = verifier.storeKey(Keys.encode(Keys.small(srsId, 1, times(LANE))));
    }

    /// @notice Who knows tau can prove anything: else the other tests would show nothing.
    function test_forger_succeedsWithAllEquationsRight() external view {
        accepted(_claim(_public_()));
        accepted(_claim(_secret_()));
        (Inference memory one,) = _prove(_public_());
        (Inference memory two,) = _prove(_secret_());
        verifier.verifyBatch(both(one, two));
    }

    /// @notice Either equation alone is checked.
    function test_verify_checksBothEquations() external view {
        for (uint256 i = 0; i < 2; ++i) {
            Forgery memory f = i == 0 ? _public_() : _secret_();
            f.opening = 1;
            _refuse(f);
            f.opening = 0;
            (f.omega, f.weights) = i == 0 ? (LANE + 1, 0) : (LANE, 1);
            _refuse(f);
        }
        // With the secret of the span, another column is in reach: whoever knows the multiples has it.
        Forgery memory other = _secret_();
        other.omega = LANE + 2;
        accepted(_claim(other));
    }

    /// @notice A sum at infinity is paired like any other.
    function test_verify_pairsInfinity() external view {
        for (uint256 i = 0; i < 2; ++i) {
            Forgery memory f = i == 0 ? _public_() : _secret_();
            f.infinity = true;
            _refuse(f);
        }
    }

    /// @notice The equations do not make up for each other: not added as they are, and not by a factor that is known in time.
    function test_verify_keepsEquationsApart() external view {
        for (uint256 i = 0; i < 2; ++i) {
            Forgery memory f = i == 0 ? _public_() : _secret_();
            if (i == 0) f.omega = LANE + 1;
            else f.opening = 1;
            f.merge = 1;
            _refuse(f);
            f.merge = FR - 1;
            _refuse(f);
            // What the factor would be if the last part of the proof were not hashed.
            f.early = true;
            _refuse(f);
        }
    }

    /// @notice Nor do claims of a batch: the factor of each comes from all of it and of those before.
    function test_verifyBatch_keepsClaimsApart() external view {
        for (uint256 i = 0; i < 4; ++i) {
            Forgery memory f = i % 2 == 0 ? _public_() : _secret_();
            Forgery memory g = i / 2 == 0 ? _public_() : _secret_();
            // No factor.
            (f.opening, g.opening) = (1, FR - 1);
            (Inference memory one, bytes32 state) = _prove(f);
            (Inference memory two,) = _prove(g);
            refused(both(one, two), _invalid());
            // A factor that is known once the first claim is.
            g.opening = mulmod(FR - 1, power(uint256(keccak256(abi.encode(state, 0))) % FR, FR - 2), FR);
            (two,) = _prove(g);
            refused(both(one, two), _invalid());
            // A factor that is known once the second claim is.
            g.opening = 1;
            (two, state) = _prove(g);
            f.opening = FR - uint256(keccak256(abi.encode(0, state))) % FR;
            (one,) = _prove(f);
            refused(both(one, two), _invalid());
            f.opening = FR - uint256(state) % FR;
            (one,) = _prove(f);
            refused(both(one, two), _invalid());
        }
    }

    function _public_() private view returns (Forgery memory f) {
        (f.modelId, f.omega) = (_public, LANE);
    }

    function _secret_() private view returns (Forgery memory f) {
        (f.modelId, f.omega, f.secret) = (_secret, LANE, true);
    }

    function _refuse(Forgery memory f) private view {
        refused(_claim(f), _invalid());
    }

    function _invalid() private pure returns (bytes memory) {
        return abi.encodeWithSelector(IInferenceVerifier.InvalidProof.selector);
    }

    function _claim(Forgery memory f) private view returns (Inference memory one) {
        (one,) = _prove(f);
    }

    /// @dev A proof with the errors that are asked for, and the last state of its transcript.
    function _prove(Forgery memory f) private view returns (Inference memory one, bytes32 state) {
        one = Inference(f.modelId, hex"00", hex"00", CONTEXT, "");
        Work memory w;
        _commit(f, w);
        _evaluate(w);
        _open(f, w);
        _finish(f, w);
        one.proof = bytes.concat(PROOF_TAG, w.front, w.evaluations, w.back);
        state = w.state;
    }

    /// @dev Points: all are the generator, but the one of the weights' column. Challenges up to `x`.
    function _commit(Forgery memory f, Work memory w) private view {
        for (uint256 i = 0; i < 18; ++i) {
            w.front = bytes.concat(w.front, times(i == 5 ? f.omega : 1));
        }
        bytes memory statement = abi.encodePacked(
            "inferproof/proof/1",
            uint16(1),
            f.modelId,
            CONTEXT,
            uint32(1),
            hex"00",
            uint32(1),
            hex"00",
            uint256(0xd16e57)
        );
        _absorb(w, bytes.concat(statement, new bytes(64), sliced(w.front, 0, 320)));
        for (uint256 i = 0; i < 3; ++i) {
            _again(w); // u, alpha, beta; R was first
        }
        _absorb(w, sliced(w.front, 320, 768)); // theta
        w.copyBeta = _again(w);
        w.copyGamma = _again(w);
        _absorb(w, sliced(w.front, 768, 896)); // y
        w.x = _absorb(w, sliced(w.front, 896, 1152));
    }

    /// @dev Evaluations: zero, so that no constraint of the machine says anything, but for the copies, of which the product starts at 1.
    /// Then the constraints add up to zero, and so the quotient is.
    function _evaluate(Work memory w) private view {
        uint256 right = 1;
        uint256 term = mulmod(w.copyBeta, w.x, FR);
        for (uint256 i = 0; i < 3; ++i) {
            right = mulmod(right, addmod(term, w.copyGamma, FR), FR);
            term = mulmod(term, DELTA, FR);
        }
        w.copyNext = mulmod(right, power(power(w.copyGamma, 3), FR - 2), FR);
        w.evaluations = bytes.concat(new bytes(31 * 32), abi.encode(1, w.copyNext));
        w.step = _absorb(w, w.evaluations);
        w.v = _again(w);
        w.back = times(1);
        w.u = _absorb(w, w.back);
    }

    /// @dev What the opening's equation has without the last point and the weights'.
    function _open(Forgery memory f, Work memory w) private view {
        uint256 root = power(ROOT, 1 << (28 - K));
        w.next = mulmod(w.x, root, FR);
        w.xn = power(w.x, 1 << K);
        // Opened at x: six columns of which the last is that of the weights, the quotient's pieces, the random polynomial.
        uint256 sum = 0;
        for (uint256 i = 0; i < 6; ++i) {
            sum = addmod(sum, mulmod(power(w.step, i), i == 5 ? f.omega : 1, FR), FR);
        }
        for (uint256 i = 0; i < 4; ++i) {
            sum = addmod(sum, mulmod(power(w.step, 16), power(w.xn, i), FR), FR);
        }
        sum = addmod(sum, power(w.step, 17), FR);
        // Opened at x and at the next row: seven columns, the last the copies' product, opened to the line through both values.
        uint256 scale = mulmod(w.v, power(_minus(w.u, w.next), FR - 2), FR);
        for (uint256 i = 0; i < 7; ++i) {
            sum = addmod(sum, mulmod(scale, power(w.step, i), FR), FR);
        }
        uint256 along = mulmod(_minus(w.u, w.x), power(_minus(w.next, w.x), FR - 2), FR);
        uint256 line = addmod(1, mulmod(along, _minus(w.copyNext, 1), FR), FR);
        sum = _minus(sum, mulmod(mulmod(scale, power(w.step, 6), FR), line, FR));
        w.opening = _minus(sum, _minus(w.u, w.x));
    }

    /// @dev The last point, and the span proof.
    function _finish(Forgery memory f, Work memory w) private view {
        uint256 difference = _minus(f.omega, LANE);
        uint256 target = f.opening;
        if (!f.secret) {
            // The last point makes up for the weights, if their factor is known.
            uint256 merge = f.early ? uint256(keccak256(abi.encodePacked(w.state, hex"01"))) % FR : f.merge;
            target = _minus(target, mulmod(merge, difference, FR));
        }
        if (f.infinity) target = mulmod(w.opening, power(w.u, FR - 2), FR);
        // tau h2 = opening + u h2 - target, with tau = 1.
        uint256 last = mulmod(_minus(w.opening, target), power(_minus(1, w.u), FR - 2), FR);
        bytes memory point = times(last);
        if (!f.secret) {
            w.back = bytes.concat(w.back, point);
            _absorb(w, point);
            return;
        }
        bytes memory first = times(1);
        w.challenge = _absorb(w, bytes.concat(point, first));
        uint256 error = f.weights;
        if (f.early) {
            error = mulmod(f.opening, power(uint256(keccak256(abi.encodePacked(w.state, hex"01"))) % FR, FR - 2), FR);
        } else if (f.merge != 0) {
            error = mulmod(f.opening, power(f.merge, FR - 2), FR);
        }
        if (f.early || f.merge != 0) error = _minus(0, error);
        // z_0 B_0 + z_1 B_1 = T + c (omega - lanes) + error
        uint256 right = addmod(addmod(1, mulmod(w.challenge, difference, FR), FR), error, FR);
        w.response = mulmod(_minus(right, SECOND_RESPONSE * SPAN_1), power(SPAN_0, FR - 2), FR);
        bytes memory responses = abi.encode(w.response, SECOND_RESPONSE);
        w.back = bytes.concat(w.back, point, first, responses);
        _absorb(w, responses);
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
