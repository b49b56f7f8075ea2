// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.24;

import {IInferenceVerifier} from "./IInferenceVerifier.sol";

/// @title Keys of models, as data
/// @notice A key is checked and written once, as the code of a data contract, under the id that follows from its bytes. Anyone
/// may store a key; nobody can change one.
/// @dev The SRS constants are constructor data: whoever stores a key has no say in them.
abstract contract ModelKeys is IInferenceVerifier {
    /// @notice The key ends early, has trailing bytes, or a count that this machine does not have.
    error MalformedKey();
    /// @notice The key belongs to another machine, version or shape.
    error OtherMachine();
    /// @notice The key belongs to another SRS, or says otherwise than this verifier whether its SRS is secure.
    error OtherSrs(bytes32 expected, bytes32 got);
    /// @notice A number in the key is out of bounds: k, a shape, a range, a count of words, a scalar.
    error KeyOutOfBounds();
    /// @notice A commitment in the key, counted from 0, is no point, or at infinity where that is not allowed.
    error InvalidKeyPoint(uint256 index);
    /// @notice The SRS data is malformed, or `[tau]_2` is not in the group.
    error InvalidSrs();

    /// @notice The key of `modelId` is the code of `pointer`, after one zero byte.
    event KeyStored(bytes32 indexed modelId, address pointer);

    /// @dev Group order of BN254, the field of scalars.
    uint256 internal constant FR = 0x30644e72e131a029b85045b68181585d2833e84879b9709143e1f593f0000001;
    /// @dev The field of coordinates.
    uint256 internal constant FQ = 0x30644e72e131a029b85045b68181585d97816a916871ca8d3c208c16d87cfd47;
    /// @dev The generator of G2 as EIP-197 has it: imaginary part first.
    uint256 internal constant G2_X1 = 0x198e9393920d483a7260bfb731fb5d25f1aa493335a9e71297e485b7aef312c2;
    uint256 internal constant G2_X0 = 0x1800deef121f1e76426a00665e5c4479674322d4f75edadd46debd5cd992f6ed;
    uint256 internal constant G2_Y1 = 0x090689d0585ff075ec9e99ad690c3395bc4b313370b38ef355acdadcd122975b;
    uint256 internal constant G2_Y0 = 0x12c85ea5db8c6deb4aab71808dcb408fe3d1e7690c43d37b4ce6cc0166fa7daa;
    /// @dev Generates the roots of unity of order 2^28.
    uint256 private constant ROOT = 0x03ddb9f5166d18b798865ea93dd31f743215cf6dd39329c8d34f1ed960c37c9c;
    uint256 private constant ROOT_K = 28;
    uint256 private constant MIN_K = 4;
    uint256 private constant MAX_K = 24;
    uint256 private constant MAX_AXES = 8;
    uint256 private constant MAX_ELEMENTS = 1 << 26;
    /// @dev A data contract has at most 24,576 bytes (EIP-170).
    uint256 private constant MAX_LANES = 256;

    /// @dev Bytes before the points of a stored key: words that `storeKey` computes.
    uint256 internal constant KEY_HEADER = 0x240;
    /// @dev Rows at the end of every column that hold random values.
    uint256 private constant UNUSABLE_ROWS = 6;
    /// @dev Offset of the fixed commitments in a key: domain (20), version (2), tag (4), k (1), srsId (32), insecure (1), count (4).
    uint256 private constant AT_FIXED = 64;
    /// @dev Columns under the copy argument, in every shape of the machine.
    uint256 private constant PERMUTATION_COMMITMENTS = 3;
    bytes20 private constant PROGRAM_DOMAIN = "inferproof/program/1";
    bytes20 private constant WEIGHTS_DOMAIN = "inferproof/weights/1";
    /// @dev Bytes of the SRS data: flag (1), greatest k (1), `[tau]_2` (128), three points for each k from 4 on.
    uint256 private constant AT_SPAN = 130;
    uint256 private constant ROW_BYTES = 192;
    /// @dev What a verifier sees of a tensor.
    uint256 private constant IS_PUBLIC = 0;
    uint256 private constant IS_COMMITTED = 1;
    uint256 private constant IS_PRIVATE = 2;
    uint256 private constant IS_GIVEN = 3;

    /// @inheritdoc IInferenceVerifier
    bytes32 public immutable srsId;
    /// @inheritdoc IInferenceVerifier
    bytes32 public immutable srsDigest;
    /// @inheritdoc IInferenceVerifier
    bool public immutable insecure;
    uint256 private immutable TAU_X1;
    uint256 private immutable TAU_X0;
    uint256 private immutable TAU_Y1;
    uint256 private immutable TAU_Y0;
    /// @dev Holds the Lagrange points.
    address private immutable ROWS;
    uint256 private immutable SRS_K;

    mapping(bytes32 modelId => address) private _pointers;

    /// @param srs One byte 0 or 1, whether the SRS is for development; one byte, the greatest k; `[tau]_2`; and for each k from 4 to that
    /// the Lagrange points of the last two rows and of the link row. `inferproof contract export` writes it.
    constructor(bytes memory srs) {
        if (srs.length < AT_SPAN) revert InvalidSrs();
        uint256 k = uint8(srs[1]);
        if (uint8(srs[0]) > 1 || k < MIN_K || k > MAX_K || srs.length != AT_SPAN + ROW_BYTES * (k - MIN_K + 1)) {
            revert InvalidSrs();
        }
        uint256[4] memory tau;
        assembly ("memory-safe") {
            mcopy(tau, add(srs, 0x22), 0x80)
        }
        for (uint256 cursor = AT_SPAN; cursor < srs.length; cursor += 64) {
            (uint256 x, uint256 y) = _wordsAt(srs, cursor);
            if (!_isPoint(x, y)) revert InvalidSrs();
        }
        if (!_isInGroup(tau)) revert InvalidSrs();
        srsId = keccak256(
            abi.encodePacked(
                "inferproof/srs/1", uint256(1), uint256(2), G2_X1, G2_X0, G2_Y1, G2_Y0, tau[0], tau[1], tau[2], tau[3]
            )
        );
        srsDigest = keccak256(srs);
        insecure = uint8(srs[0]) == 1;
        (TAU_X1, TAU_X0, TAU_Y1, TAU_Y0) = (tau[0], tau[1], tau[2], tau[3]);
        SRS_K = k;
        ROWS = _write(srs);
    }

    /// @inheritdoc IInferenceVerifier
    function proofTag() external pure returns (bytes4 tag) {
        (, tag,) = _machine();
    }

    /// @inheritdoc IInferenceVerifier
    /// @dev A call to this contract itself. One that fails without saying why ran out of gas.
    function tryVerify(bytes32, bytes calldata, bytes calldata, bytes32, bytes calldata) external view returns (bool) {
        bytes memory copy = msg.data;
        bytes4 selector = IInferenceVerifier.verify.selector;
        bytes4 outOfGas = OutOfGas.selector;
        bool ok;
        bool starved;
        assembly ("memory-safe") {
            let data := add(copy, 0x20)
            mstore(data, or(selector, and(mload(data), shr(32, not(0)))))
            mstore(0x00, 0)
            ok := staticcall(gas(), address(), data, mload(copy), 0x00, 0x04)
            starved := or(iszero(returndatasize()), eq(mload(0x00), outOfGas))
        }
        if (!ok && starved) revert OutOfGas();
        return ok;
    }

    /// @notice Checks a key, computes its model's id and writes the key as the code of a data contract. Does nothing if it is there.
    /// @param key What the ids hash: the program's preimage, then the weights'. `inferproof contract model-data` writes it.
    /// @return modelId `keccak256("inferproof/model/1" | keccak256(program) | keccak256(weights))`.
    function storeKey(bytes calldata key) external returns (bytes32 modelId) {
        uint256 weightsAt = _checkProgram(key);
        uint256 lanes = _checkWeights(key, weightsAt);
        modelId =
            keccak256(abi.encodePacked("inferproof/model/1", keccak256(key[:weightsAt]), keccak256(key[weightsAt:])));
        if (_pointers[modelId] != address(0)) return modelId;
        address pointer = _write(_stored(key, weightsAt, lanes));
        _pointers[modelId] = pointer;
        emit KeyStored(modelId, pointer);
    }

    /// @notice The data contract of a model's key; zero if none is stored.
    function keyPointer(bytes32 modelId) external view returns (address) {
        return _pointers[modelId];
    }

    /// @inheritdoc IInferenceVerifier
    function tensorHeader(bytes32 modelId, bool ofOutput) external view returns (bytes32 header) {
        address pointer = _pointers[modelId];
        if (pointer == address(0)) revert ModelNotStored(modelId);
        assembly ("memory-safe") {
            // One byte precedes the data.
            extcodecopy(pointer, 0x00, add(0x201, mul(0x20, ofOutput)), 0x20)
            header := mload(0x00)
        }
    }

    /// @dev The machine's version, the first four bytes of its proofs, and how many fixed columns its programs have.
    function _machine() internal pure virtual returns (uint16 version, bytes4 tag, uint256 fixedCommitments);

    /// @dev `keyPointer` for the verifier.
    function _pointer(bytes32 modelId) internal view returns (address) {
        return _pointers[modelId];
    }

    /// @dev `[tau]_2`, imaginary parts first.
    function _tau() internal view returns (uint256, uint256, uint256, uint256) {
        return (TAU_X1, TAU_X0, TAU_Y1, TAU_Y0);
    }

    /// @dev `a^e` modulo the group order.
    function _power(uint256 a, uint256 e) internal view returns (uint256 result) {
        bool ok;
        assembly ("memory-safe") {
            let cursor := mload(0x40)
            mstore(cursor, 0x20)
            mstore(add(cursor, 0x20), 0x20)
            mstore(add(cursor, 0x40), 0x20)
            mstore(add(cursor, 0x60), a)
            mstore(add(cursor, 0x80), e)
            mstore(add(cursor, 0xa0), FR)
            ok := staticcall(gas(), 5, cursor, 0xc0, 0x00, 0x20)
            result := mload(0x00)
        }
        if (!ok) revert OutOfGas();
    }

    /// @dev Checks the program's part of a key and returns where the weights' part begins.
    function _checkProgram(bytes calldata key) private view returns (uint256 end) {
        (uint256 fixedCommitments, uint256 permutationAt, uint256 wordsAt) = _places();
        if (key.length < wordsAt + 36 || bytes20(key[:20]) != PROGRAM_DOMAIN) revert MalformedKey();
        _checkMachine(key);
        uint256 k = uint8(key[26]);
        if (k < MIN_K || k > SRS_K) revert KeyOutOfBounds();
        if (bytes32(key[27:59]) != srsId) revert OtherSrs(srsId, bytes32(key[27:59]));
        if (uint8(key[59]) != (insecure ? 1 : 0)) revert OtherSrs(srsId, srsId);
        if (
            uint32(bytes4(key[60:64])) != fixedCommitments
                || uint32(bytes4(key[permutationAt - 4:permutationAt])) != PERMUTATION_COMMITMENTS
        ) revert MalformedKey();
        _checkPoints(key, AT_FIXED, fixedCommitments, 0, true);
        _checkPoints(key, permutationAt, PERMUTATION_COMMITMENTS, fixedCommitments, true);
        if (uint256(bytes32(key[wordsAt + 4:wordsAt + 36])) >= FR) revert KeyOutOfBounds();
        Tensor memory input = _tensor(key, wordsAt + 36);
        if (input.visibility == IS_GIVEN) revert KeyOutOfBounds();
        Tensor memory output = _tensor(key, input.end);
        uint256 words = _words(input) + _words(output);
        if (uint32(bytes4(key[wordsAt:wordsAt + 4])) != words || words >= 1 << k) revert KeyOutOfBounds();
        // The number of lanes ends the program's part; the weights' part is longer, and its length is checked.
        end = output.end + 4;
    }

    function _checkMachine(bytes calldata key) private pure {
        (uint16 version, bytes4 tag,) = _machine();
        if (uint16(bytes2(key[20:22])) != version || bytes4(key[22:26]) != tag) revert OtherMachine();
    }

    /// @dev How many fixed commitments a key has, where those of the permutation begin, and what follows them: the count of words (4), the
    /// digest of the program (32), and the two tensors.
    function _places() private pure returns (uint256 fixedCommitments, uint256 permutationAt, uint256 wordsAt) {
        (,, fixedCommitments) = _machine();
        permutationAt = AT_FIXED + 64 * fixedCommitments + 4;
        wordsAt = permutationAt + 64 * PERMUTATION_COMMITMENTS;
    }

    /// @dev Checks the weights' part of a key and returns the number of lanes.
    function _checkWeights(bytes calldata key, uint256 cursor) private pure returns (uint256 lanes) {
        if (key.length < cursor + 25 || bytes20(key[cursor:cursor + 20]) != WEIGHTS_DOMAIN) revert MalformedKey();
        uint256 secret = uint8(key[cursor + 20]);
        lanes = uint32(bytes4(key[cursor + 21:cursor + 25]));
        if (secret > 1 || key.length != cursor + 25 + 64 * lanes) revert MalformedKey();
        // As many as the program was compiled for: with more, a weight could stand where the network has none.
        if (lanes == 0 || lanes > MAX_LANES || lanes != uint32(bytes4(key[cursor - 4:cursor]))) {
            revert KeyOutOfBounds();
        }
        // A public lane of zeros is the point at infinity; a secret one is blinded.
        (uint256 fixedCommitments,,) = _places();
        _checkPoints(key, cursor + 25, lanes, fixedCommitments + PERMUTATION_COMMITMENTS, secret == 0);
    }

    struct Tensor {
        uint256 elements;
        uint256 elementBytes;
        bool signed;
        uint256 visibility;
        uint256 start;
        uint256 end;
    }

    /// @dev What is seen of it, then its specification: rank, sizes, least and greatest element, and the scale, a double that only people use.
    function _tensor(bytes calldata key, uint256 cursor) private pure returns (Tensor memory t) {
        if (key.length < cursor + 5) revert MalformedKey();
        t.visibility = uint8(key[cursor]);
        if (t.visibility > IS_GIVEN) revert KeyOutOfBounds();
        t.start = ++cursor;
        uint256 rank = uint32(bytes4(key[cursor:cursor + 4]));
        if (rank == 0 || rank > MAX_AXES) revert KeyOutOfBounds();
        cursor += 4;
        t.end = cursor + 8 * rank + 24;
        if (key.length < t.end) revert MalformedKey();
        t.elements = 1;
        for (uint256 i = 0; i < rank; ++i) {
            t.elements *= uint64(bytes8(key[cursor + 8 * i:cursor + 8 * i + 8]));
            if (t.elements == 0 || t.elements > MAX_ELEMENTS) revert KeyOutOfBounds();
        }
        cursor += 8 * rank;
        int256 lo = int64(uint64(bytes8(key[cursor:cursor + 8])));
        int256 hi = int64(uint64(bytes8(key[cursor + 8:cursor + 16])));
        // A positive double: neither zero, negative, infinite nor no number.
        uint256 scale = uint64(bytes8(key[cursor + 16:cursor + 24]));
        if (scale == 0 || scale >= 0x7ff0000000000000) revert KeyOutOfBounds();
        bool fits = (lo >= 0 && hi < 65536) || (lo >= -32768 && hi < 32768);
        if (lo > hi || !fits) revert KeyOutOfBounds();
        t.signed = lo < 0;
        t.elementBytes = (lo >= 0 && hi < 256) || (lo >= -128 && hi < 128) ? 1 : 2;
    }

    /// @dev Words that hold a tensor, of 31 or 15 elements: none unless it is public.
    function _words(Tensor memory t) private pure returns (uint256) {
        if (t.visibility != IS_PUBLIC) return 0;
        uint256 perWord = 31 / t.elementBytes;
        return (t.elements + perWord - 1) / perWord;
    }

    /// @dev What a data contract holds: `KEY_HEADER` bytes that the verifier needs, then points.
    function _stored(bytes calldata key, uint256 weightsAt, uint256 lanes) private view returns (bytes memory) {
        uint256[18] memory header;
        uint256 k = uint8(key[26]);
        header[0] = k;
        header[1] = ROOT;
        for (uint256 i = k; i < ROOT_K; ++i) {
            header[1] = mulmod(header[1], header[1], FR);
        }
        header[2] = _power(header[1], FR - 2);
        header[3] = _power(header[2], UNUSABLE_ROWS);
        header[4] = _power(1 << k, FR - 2);
        (, uint256 permutationAt, uint256 wordsAt) = _places();
        Tensor memory tensor = _tensor(key, wordsAt + 36);
        (header[5], header[6], header[7]) = _encoding(tensor);
        header[16] = _header(key, tensor);
        tensor = _tensor(key, tensor.end);
        (header[8], header[9], header[10]) = _encoding(tensor);
        header[17] = _header(key, tensor);
        // Points of the link: the committed tensors', and a mask unless a fresh output is all that is committed.
        header[14] = (header[16] != 0 ? 1 : 0) + (header[17] != 0 ? 1 : 0);
        header[15] = header[16] != 0 || tensor.visibility == IS_GIVEN ? 1 : 0;
        header[14] += header[15];
        header[11] = uint8(key[weightsAt + 20]);
        header[12] = uint256(bytes32(key[wordsAt + 4:wordsAt + 36]));
        header[13] = lanes;
        return abi.encodePacked(
            header, _rows(k), key[AT_FIXED:permutationAt - 4], key[permutationAt:wordsAt], key[weightsAt + 25:]
        );
    }

    function _isCommitted(Tensor memory t) private pure returns (bool) {
        return t.visibility == IS_COMMITTED || t.visibility == IS_GIVEN;
    }

    /// @dev Names what a commitment to a tensor says besides its point; zero if the tensor is not committed.
    function _header(bytes calldata key, Tensor memory t) private view returns (uint256) {
        if (!_isCommitted(t)) return 0;
        return uint256(keccak256(abi.encodePacked("inferproof/tensor-header/1", srsId, key[t.start:t.end])));
    }

    /// @dev Bytes of a tensor in a statement, bytes a word, and the sign bits of a word's elements. A committed tensor is a point there.
    function _encoding(Tensor memory t) private pure returns (uint256 length, uint256 chunk, uint256 mask) {
        if (t.visibility != IS_PUBLIC) return (_isCommitted(t) ? 64 : 0, 0, 0);
        length = t.elements * t.elementBytes;
        chunk = t.elementBytes == 1 ? 31 : 30;
        if (!t.signed) return (length, chunk, 0);
        uint256 sign = t.elementBytes == 1 ? 0x80 : 0x8000;
        for (uint256 i = 0; i < chunk; i += t.elementBytes) {
            mask = (mask << (8 * t.elementBytes)) | sign;
        }
    }

    /// @dev The Lagrange points for circuits of `2^k` rows: the two of the span, and the link row's.
    function _rows(uint256 k) private view returns (bytes memory points) {
        points = new bytes(ROW_BYTES);
        address rows = ROWS;
        assembly ("memory-safe") {
            // One byte precedes the data.
            extcodecopy(rows, add(points, 0x20), add(add(AT_SPAN, 1), mul(sub(k, MIN_K), ROW_BYTES)), ROW_BYTES)
        }
    }

    /// @dev Writes `data` as the code of a new contract, after a byte 0 that makes it do nothing when called.
    function _write(bytes memory data) private returns (address pointer) {
        // PUSH2 length, DUP1, PUSH1 10, RETURNDATASIZE, CODECOPY, RETURNDATASIZE, RETURN
        bytes memory code = abi.encodePacked(hex"61", uint16(data.length + 1), hex"80600a3d393df300", data);
        assembly ("memory-safe") {
            pointer := create(0, add(code, 0x20), mload(code))
        }
        if (pointer == address(0)) revert OutOfGas();
    }

    /// @dev Points of a key are on the curve and reduced; at infinity only if `infinity`.
    function _checkPoints(bytes calldata key, uint256 cursor, uint256 count, uint256 index, bool infinity)
        private
        pure
    {
        for (uint256 i = 0; i < count; ++i) {
            uint256 x = uint256(bytes32(key[cursor + 64 * i:cursor + 64 * i + 32]));
            uint256 y = uint256(bytes32(key[cursor + 64 * i + 32:cursor + 64 * i + 64]));
            bool isInfinity = x == 0 && y == 0;
            if (isInfinity ? !infinity : !_isPoint(x, y)) revert InvalidKeyPoint(index + i);
        }
    }

    /// @dev On the curve, reduced, and not at infinity. G1 has no other points than those of the group.
    function _isPoint(uint256 x, uint256 y) private pure returns (bool) {
        return x < FQ && y < FQ && mulmod(y, y, FQ) == addmod(mulmod(x, mulmod(x, x, FQ), FQ), 3, FQ);
    }

    /// @dev Whether a point of the twist is in the group: the pairing precompile refuses others. Zero is not.
    function _isInGroup(uint256[4] memory point) private view returns (bool ok) {
        if (point[0] | point[1] | point[2] | point[3] == 0) return false;
        uint256[6] memory pair = [uint256(1), 2, point[0], point[1], point[2], point[3]];
        assembly ("memory-safe") {
            ok := staticcall(200000, 8, pair, 0xc0, 0x00, 0x20)
        }
    }

    function _wordsAt(bytes memory data, uint256 cursor) private pure returns (uint256 first, uint256 second) {
        assembly ("memory-safe") {
            first := mload(add(add(data, 0x20), cursor))
            second := mload(add(add(data, 0x40), cursor))
        }
    }
}
