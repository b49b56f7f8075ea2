// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.24;

import {IInferenceVerifier, Inference} from "../IInferenceVerifier.sol";
import {InferenceVerifier} from "../InferenceVerifier.sol";
import {FIXED_COMMITMENTS, KEY_POINTS, PERMUTATION_COMMITMENTS, PROOF_TAG} from "../MachineShape.sol";
import {ModelKeys} from "../ModelKeys.sol";
import {Claim, Claims} from "./Claims.sol";
import {Key, Keys, Tensor} from "./Keys.sol";
import {Vm} from "./Vm.sol";

/// @title Tests of the keys of models
contract ModelKeysTest is Claims {
    using Keys for Key;

    /// @dev Bytes of what is stored before the points.
    uint256 private constant HEADER = 18 * 32;
    /// @dev A point of the twist y^2 = x^3 + 3 / (9 + i) with x = 1, which is not in the group.
    uint256 private constant _TWIST_Y1 = 0x0d1271953ed9ea0836846e70a1934187998c7f790cb4d7511b7f8da82de048a4;
    uint256 private constant _TWIST_Y0 = 0x2869111d5381f072f8e2728fdb825a51aadd70e52c9830e9ab4b871c0531f1bb;

    /// @notice A verifier for the SRS of the fixture.
    function setUp() external {
        deploy();
    }

    /// @notice The constructor keeps what names its SRS.
    function test_constructor_keepsTheSrs() external {
        bytes memory srs = bytesOf(".srs");
        bytes memory generators = abi.encode(
            1,
            2,
            0x198e9393920d483a7260bfb731fb5d25f1aa493335a9e71297e485b7aef312c2,
            0x1800deef121f1e76426a00665e5c4479674322d4f75edadd46debd5cd992f6ed,
            0x090689d0585ff075ec9e99ad690c3395bc4b313370b38ef355acdadcd122975b,
            0x12c85ea5db8c6deb4aab71808dcb408fe3d1e7690c43d37b4ce6cc0166fa7daa
        );
        eq(verifier.srsId(), keccak256(bytes.concat("inferproof/srs/1", generators, sliced(srs, 2, 130))));
        // The fields of a key that the program made say the same.
        eq(verifier.srsId(), bytes32(wordAt(bytesOf(".secret.key"), 27)));
        eq(verifier.srsDigest(), keccak256(srs));
        yes(verifier.insecure());
        eq(bytes32(verifier.proofTag()), bytes32(PROOF_TAG));
        srs[0] = 0;
        InferenceVerifier secure = new InferenceVerifier(srs);
        no(secure.insecure());
        eq(secure.srsId(), verifier.srsId());
        eq(secure.srsDigest(), keccak256(srs));
    }

    /// @notice The data of the SRS has a length that follows from its greatest k, between 4 and 24.
    function test_constructor_refusesSrsDataOfAnotherShape() external {
        bytes memory srs = bytesOf(".srs");
        _refuseSrs("");
        _refuseSrs(hex"01");
        _refuseSrs(sliced(srs, 0, 129));
        _refuseSrs(sliced(srs, 0, 130));
        _refuseSrs(sliced(srs, 0, srs.length - 1));
        _refuseSrs(sliced(srs, 0, srs.length - 64));
        _refuseSrs(sliced(srs, 0, srs.length - 192));
        _refuseSrs(bytes.concat(srs, hex"00"));
        _refuseSrs(bytes.concat(srs, sliced(srs, 130, 194)));
        _refuseSrs(bytes.concat(srs, sliced(srs, 130, 322)));
        _refuseSrs(spliced(srs, 0, hex"02"));
        _refuseSrs(spliced(srs, 0, hex"ff"));
        for (uint256 k = 0; k < 28; ++k) {
            bytes memory points = "";
            for (uint256 i = 4; i <= k; ++i) {
                points = bytes.concat(points, times(i), times(2 * i), times(3 * i));
            }
            bytes memory data = bytes.concat(hex"01", bytes1(uint8(k)), sliced(srs, 2, 130), points);
            if (k < 4 || k > 24) _refuseSrs(data);
            else new InferenceVerifier(data);
        }
    }

    /// @notice Points of the SRS are in their groups, and not at infinity.
    function test_constructor_refusesBadPoints() external {
        bytes memory srs = bytesOf(".srs");
        _refuseSrs(spliced(srs, 2, new bytes(128)));
        for (uint256 at = 2; at < 130; at += 32) {
            _refuseSrs(spliced(srs, at, addmod(wordAt(srs, at), 1, FQ)));
            _refuseSrs(spliced(srs, at, wordAt(srs, at) + FQ));
        }
        // On the twist, of another order: x = 1.
        _refuseSrs(spliced(srs, 2, abi.encode(0, 1, _TWIST_Y1, _TWIST_Y0)));
        for (uint256 at = 130; at < srs.length; at += 64) {
            _refuseSrs(spliced(srs, at, new bytes(64)));
            _refuseSrs(spliced(srs, at, addmod(wordAt(srs, at), 1, FQ)));
            _refuseSrs(spliced(srs, at, wordAt(srs, at) + FQ));
            _refuseSrs(spliced(srs, at + 32, wordAt(srs, at + 32) + FQ));
        }
    }

    /// @notice A contract that cannot be created is a lack of gas.
    function test_storeKey_namesALackOfGas() external {
        Claim memory claim = load("public");
        vm.mockCallRevert(address(5), "", "");
        _refuseKey(claim.key, abi.encodeWithSelector(IInferenceVerifier.OutOfGas.selector));
        vm.clearMockedCalls();
        bytes memory call = abi.encodeCall(verifier.storeKey, (claim.key));
        (uint256 named, uint256 starved) = (0, 0);
        // The data contract costs most of what is left: the creation fails, and enough remains to say so.
        for (uint256 gas = 40_000; gas < 600_000; gas += 2_000) {
            (bool ok, bytes memory data) = address(verifier).call{gas: gas}(call);
            if (ok) break;
            starved++;
            if (data.length == 0) continue;
            named++;
            eq(string(data), string(abi.encodeWithSelector(IInferenceVerifier.OutOfGas.selector)));
            eq(verifier.keyPointer(claim.inference.modelId), address(0));
        }
        yes(named > 0 && starved > 10);
    }

    /// @notice A key is written once, and the event says where.
    function test_storeKey_writesOnce() external {
        Claim memory claim = load("secret");
        bytes32 id = claim.inference.modelId;
        eq(verifier.keyPointer(id), address(0));
        vm.recordLogs();
        eq(verifier.storeKey(claim.key), id);
        address pointer = verifier.keyPointer(id);
        _checkLog(id, pointer);
        bytes32 codeHash = pointer.codehash;
        uint256 before = gasleft();
        eq(verifier.storeKey(claim.key), id);
        yes(before - gasleft() < 300_000);
        eq(vm.getRecordedLogs().length, 0);
        eq(verifier.keyPointer(id), pointer);
        eq(pointer.codehash, codeHash);
        eq(verifier.keyPointer(bytes32(uint256(id) ^ 1)), address(0));
        // The data contract does nothing when called.
        (bool ok, bytes memory data) = pointer.call("anything");
        yes(ok);
        eq(data.length, 0);
        accepted(claim.inference);
    }

    /// @notice Anyone may store keys, side by side.
    function test_storeKey_isForAnyone() external {
        (Claim memory one, Claim memory two) = (load("secret"), load("public"));
        vm.prank(address(0xa11ce));
        eq(verifier.storeKey(one.key), one.inference.modelId);
        vm.prank(address(0xbad));
        eq(verifier.storeKey(two.key), two.inference.modelId);
        vm.prank(address(0xbad));
        eq(verifier.storeKey(one.key), one.inference.modelId);
        no(verifier.keyPointer(one.inference.modelId) == verifier.keyPointer(two.inference.modelId));
        accepted(one.inference);
        accepted(two.inference);
    }

    /// @notice What is stored is what the verifier needs: numbers, the rows of this k, and the points as they are.
    function test_storeKey_writesWhatTheVerifierNeeds() external {
        // Bytes, bytes a word and sign bits of the input, of the output; whether the weights are secret.
        _checkStored(load("secret"), [uint256(64), 31, 0, 10, 31, _signs(31, 1), 1]);
        _checkStored(load("public"), [uint256(64), 31, 0, 10, 31, _signs(31, 1), 0]);
        _checkStored(load("wide"), [uint256(256), 30, _signs(15, 2), 54, 30, _signs(15, 2), 0]);
    }

    /// @notice Of each range, the bytes an element and the sign; of each shape, the words.
    function test_storeKey_derivesTheEncodingFromTheRange() external {
        _checkRange(0, 0, 1, false);
        _checkRange(0, 255, 1, false);
        _checkRange(255, 255, 1, false);
        _checkRange(0, 256, 2, false);
        _checkRange(256, 256, 2, false);
        _checkRange(0, 65535, 2, false);
        _checkRange(65535, 65535, 2, false);
        _checkRange(-1, 0, 1, true);
        _checkRange(-1, 127, 1, true);
        _checkRange(-128, 127, 1, true);
        _checkRange(-128, -128, 1, true);
        _checkRange(-1, 128, 2, true);
        _checkRange(-129, 0, 2, true);
        _checkRange(-129, -129, 2, true);
        _checkRange(-32768, 32767, 2, true);
        int64[2][7] memory bad = [
            [int64(1), 0],
            [int64(0), 65536],
            [int64(-1), 32768],
            [int64(-32769), 0],
            [int64(-32769), -32769],
            [type(int64).min, type(int64).max],
            [int64(65536), 65536]
        ];
        for (uint256 i = 0; i < bad.length; ++i) {
            Key memory key = _small();
            (key.input.lo, key.input.hi) = (bad[i][0], bad[i][1]);
            _refuseKey(key.encode(), _outOfBounds());
            key = _small();
            (key.output.lo, key.output.hi) = (bad[i][0], bad[i][1]);
            _refuseKey(key.encode(), _outOfBounds());
        }
    }

    /// @notice Tensors have 1 to 8 axes and 1 to 2^26 elements.
    function test_storeKey_boundsShapes() external {
        Key memory key = _small();
        key.output.shape = new uint64[](0);
        _refuseKey(key.encode(), _outOfBounds());
        key.output.shape = new uint64[](9);
        for (uint256 i = 0; i < 9; ++i) {
            key.output.shape[i] = 1;
        }
        _refuseKey(key.encode(), _outOfBounds());
        key.output.shape = new uint64[](8);
        for (uint256 i = 0; i < 8; ++i) {
            key.output.shape[i] = 1;
        }
        _store(key);
        key.words = 1; // as many as a tensor of nothing has
        key.output.shape[7] = 0;
        _refuseKey(key.encode(), _outOfBounds());
        (key.output.shape[6], key.output.shape[7]) = (0, 5);
        _refuseKey(key.encode(), _outOfBounds());
        // An axis alone, and a product that would be 0 or 1 modulo 2^64.
        (key.output.shape[6], key.output.shape[7]) = (1, type(uint64).max);
        _refuseKey(key.encode(), _outOfBounds());
        (key.output.shape[6], key.output.shape[7]) = (1 << 32, 1 << 32);
        _refuseKey(key.encode(), _outOfBounds());
        (key.output.shape[6], key.output.shape[7]) = (1 << 20, 1 << 7);
        _refuseKey(key.encode(), _outOfBounds());
    }

    /// @notice The scale of a tensor is a positive number.
    function test_storeKey_boundsScales() external {
        uint64[5] memory bad =
            [uint64(0), 0x7ff0000000000000, 0x7ff8000000000000, 0x8000000000000000, 0xbff0000000000000];
        for (uint256 i = 0; i < bad.length; ++i) {
            Key memory key = _small();
            key.input.scale = bad[i];
            _refuseKey(key.encode(), _outOfBounds());
            key = _small();
            key.output.scale = bad[i];
            _refuseKey(key.encode(), _outOfBounds());
        }
        Key memory good = _small();
        (good.input.scale, good.output.scale) = (1, 0x7fefffffffffffff);
        _store(good);
    }

    /// @notice 2^26 elements are the most, if the rows are enough for their words.
    function test_storeKey_takesTheLargestTensor() external {
        bytes memory srs = bytesOf(".srs");
        bytes memory points = "";
        for (uint256 i = 4; i <= 24; ++i) {
            points = bytes.concat(points, times(i), times(2 * i), times(3 * i));
        }
        verifier = new InferenceVerifier(bytes.concat(hex"0118", sliced(srs, 2, 130), points));
        Key memory key = _small();
        key.k = 24;
        key.input = Keys.tensor(1 << 26, 0, 255);
        key.words = 2164803 + 1;
        bytes memory data = _store(key);
        eq(wordAt(data, 5 * 32), 1 << 26);
        eq(string(sliced(data, HEADER, HEADER + 192)), string(bytes.concat(times(24), times(48), times(72))));
        key.input.shape[0]++;
        _refuseKey(key.encode(), _outOfBounds());
    }

    /// @notice The words are those of the tensors, and fewer than the rows.
    function test_storeKey_boundsWords() external {
        Key memory key = _small();
        key.input = Keys.tensor(14 * 31, 0, 255);
        key.words = 15;
        _store(key);
        key.words = 14;
        _refuseKey(key.encode(), _outOfBounds());
        key.words = 16;
        _refuseKey(key.encode(), _outOfBounds());
        key.input.shape[0]++;
        _refuseKey(key.encode(), _outOfBounds());
        key.k = 5;
        _store(key);
        key.input = Keys.tensor(15, 0, 256);
        key.words = 2;
        _store(key);
        key.input = Keys.tensor(16, 0, 256);
        key.words = 3;
        _store(key);
        key.input = Keys.tensor(31, 0, 255);
        key.words = 2;
        _store(key);
    }

    /// @notice An input is public, committed or private; an output may be given too.
    function test_storeKey_boundsVisibilities() external {
        for (uint256 seen = 0; seen < 256; seen += seen < 8 ? 1 : 31) {
            Key memory key = _small();
            key.input.visibility = uint8(seen);
            key.words = seen == Keys.PUBLIC ? 2 : 1;
            if (seen < Keys.GIVEN) _store(key);
            else _refuseKey(key.encode(), _outOfBounds());
            key = _small();
            key.output.visibility = uint8(seen);
            key.words = seen == Keys.PUBLIC ? 2 : 1;
            if (seen <= Keys.GIVEN) _store(key);
            else _refuseKey(key.encode(), _outOfBounds());
        }
    }

    /// @notice Only public tensors have words.
    function test_storeKey_countsWordsOfPublicTensors() external {
        for (uint256 i = 0; i < 12; ++i) {
            Key memory key = _shown(i);
            (key.input.shape[0], key.output.shape[0]) = (3 * 31, 5 * 31);
            uint32 expected =
                (key.input.visibility == Keys.PUBLIC ? 3 : 0) + (key.output.visibility == Keys.PUBLIC ? 5 : 0);
            for (uint32 words = 0; words < 10; ++words) {
                key.words = words;
                if (words == expected) _store(key);
                else _refuseKey(key.encode(), _outOfBounds());
            }
        }
        // More elements than rows have room for, if they are not public.
        Key memory large = _shown(6);
        large.input = Keys.tensor(1 << 26, 0, 255);
        large.input.visibility = Keys.COMMITTED;
        large.words = 0;
        _store(large);
        large.input.shape[0]++;
        _refuseKey(large.encode(), _outOfBounds());
    }

    /// @notice Of every way of showing input and output: bytes in a claim, bytes a word, points of the link, and
    /// whether there is a mask.
    function test_storeKey_derivesTheLinkFromWhatIsSeen() external {
        for (uint256 i = 0; i < 12; ++i) {
            Key memory key = _shown(i);
            key.input = Keys.tensor(1, -1, 1);
            key.output = Keys.tensor(1, -300, 1);
            (key.input.visibility, key.output.visibility) = (uint8(i / 4), uint8(i % 4));
            bytes memory data = _store(key);
            // A public tensor's bytes, a commitment's, a private tensor's, and a given commitment's.
            eq(wordAt(data, 5 * 32), [1, 64, 0, 64][i / 4]);
            eq(wordAt(data, 6 * 32), i / 4 == 0 ? 31 : 0);
            eq(wordAt(data, 7 * 32), i / 4 == 0 ? _signs(31, 1) : 0);
            eq(wordAt(data, 8 * 32), [2, 64, 0, 64][i % 4]);
            eq(wordAt(data, 9 * 32), i % 4 == 0 ? 30 : 0);
            eq(wordAt(data, 10 * 32), i % 4 == 0 ? _signs(15, 2) : 0);
            // Rows of inputs public, committed, private; columns of outputs public, committed, private, given.
            eq(wordAt(data, 14 * 32), [0, 1, 0, 2, 2, 3, 2, 3, 0, 1, 0, 2][i]);
            eq(wordAt(data, 15 * 32), [0, 0, 0, 1, 1, 1, 1, 1, 0, 0, 0, 1][i]);
            eq(wordAt(data, 16 * 32), uint256(_headerOf(key.input)));
            eq(wordAt(data, 17 * 32), uint256(_headerOf(key.output)));
        }
    }

    /// @notice The header of a committed tensor names SRS, shape, range and scale; it is zero if the tensor is not
    /// committed.
    function test_tensorHeader_namesCommittedTensors() external {
        for (uint256 i = 0; i < 12; ++i) {
            Key memory key = _shown(i);
            bytes32 id = key.idOf();
            vm.expectRevert(abi.encodeWithSelector(IInferenceVerifier.ModelNotStored.selector, id));
            verifier.tensorHeader(id, false);
            vm.expectRevert(abi.encodeWithSelector(IInferenceVerifier.ModelNotStored.selector, id));
            verifier.tensorHeader(id, true);
            _store(key);
            eq(verifier.tensorHeader(id, false), _headerOf(key.input));
            eq(verifier.tensorHeader(id, true), _headerOf(key.output));
        }
        vm.expectRevert(abi.encodeWithSelector(IInferenceVerifier.ModelNotStored.selector, bytes32(0)));
        verifier.tensorHeader(0, false);
    }

    /// @notice Byte for byte: rank 2, shape 3 by 5, from -7 to 300, a scale of 1.5.
    function test_tensorHeader_hashesTheBytes() external {
        Key memory key = _shown(7);
        key.input.shape = new uint64[](2);
        (key.input.shape[0], key.input.shape[1]) = (3, 5);
        (key.input.lo, key.input.hi, key.input.scale) = (-7, 300, 0x3ff8000000000000);
        _store(key);
        bytes memory tensor =
            hex"0000000200000000000000030000000000000005fffffffffffffff9000000000000012c3ff8000000000000";
        bytes32 expected = keccak256(abi.encodePacked("inferproof/tensor-header/1", key.srsId, tensor));
        eq(verifier.tensorHeader(key.idOf(), false), expected);
    }

    /// @notice Every field of a tensor is in its header, and so is the SRS; nothing else of the key is.
    function test_tensorHeader_dependsOnTheTensorOnly() external {
        Key memory key = _shown(5);
        bytes32 header = _storedHeader(key);
        key.k = 5;
        key.digest++;
        (key.output.visibility, key.output.scale) = (Keys.GIVEN, 1);
        (key.lanes, key.secret) = (times(9), 1);
        eq(_storedHeader(key), header);
        // An input and an output of the same kind have the same header: so segments fit together.
        key.output = Keys.tensor(1, 0, 1);
        key.output.visibility = Keys.GIVEN;
        eq(_storedHeader(key), header);
        eq(verifier.tensorHeader(key.idOf(), true), header);
        bytes32[6] memory others;
        key.input.shape[0] = 2;
        others[0] = _storedHeader(key);
        key.input.shape = new uint64[](2);
        (key.input.shape[0], key.input.shape[1]) = (1, 1);
        others[1] = _storedHeader(key);
        key.input = Keys.tensor(1, -1, 1);
        others[2] = _storedHeader(key);
        key.input = Keys.tensor(1, 0, 2);
        others[3] = _storedHeader(key);
        key.input = Keys.tensor(1, 0, 1);
        key.input.scale++;
        others[4] = _storedHeader(key);
        verifier = new InferenceVerifier(bytesOf(".otherSrs"));
        key = _shown(5);
        others[5] = _storedHeader(key);
        for (uint256 i = 0; i < others.length; ++i) {
            no(others[i] == header);
            for (uint256 j = 0; j < i; ++j) {
                no(others[i] == others[j]);
            }
        }
    }

    /// @notice The rows are between 2^4 and what the SRS has.
    function test_storeKey_boundsRows() external {
        Key memory key = _small();
        for (uint256 k = 0; k < 256; k += k < 14 ? 1 : 11) {
            key.k = uint8(k);
            if (k >= 4 && k <= 12) _store(key);
            else _refuseKey(key.encode(), _outOfBounds());
        }
    }

    /// @notice Keys have 1 to 256 lanes.
    function test_storeKey_boundsLanes() external {
        Key memory key = _small();
        (key.lanes, key.laneCount, key.room) = ("", 0, 0);
        _refuseKey(key.encode(), _outOfBounds());
        key.lanes = new bytes(64 * 256);
        (key.laneCount, key.room) = (256, 256);
        bytes memory data = _store(key);
        eq(data.length, HEADER + 64 * (KEY_POINTS + 256));
        key.lanes = new bytes(64 * 257);
        (key.laneCount, key.room) = (257, 257);
        _refuseKey(key.encode(), _outOfBounds());
    }

    /// @notice There are as many lanes as the program has room for.
    function test_storeKey_refusesLanesThatTheProgramIsNotFor() external {
        for (uint32 lanes = 1; lanes <= 4; ++lanes) {
            Key memory key = _small();
            key.lanes = new bytes(64 * lanes);
            key.laneCount = lanes;
            for (uint32 room = 0; room <= 5; ++room) {
                key.room = room;
                if (room == lanes) _store(key);
                else _refuseKey(key.encode(), _outOfBounds());
            }
            key.room = lanes + (1 << 8);
            _refuseKey(key.encode(), _outOfBounds());
            key.room = type(uint32).max;
            _refuseKey(key.encode(), _outOfBounds());
        }
    }

    /// @notice A key of another machine, SRS or kind has no place here.
    function test_storeKey_refusesOtherKeys() external {
        Key memory key = _small();
        key.version ^= 1;
        bytes memory other = abi.encodeWithSelector(ModelKeys.OtherMachine.selector);
        _refuseKey(key.encode(), other);
        key.version ^= 0x101;
        _refuseKey(key.encode(), other);
        key = _small();
        key.tag ^= 0x00000001;
        _refuseKey(key.encode(), other);
        key = _small();
        bytes32 srs = key.srsId;
        key.srsId ^= bytes32(uint256(1));
        _refuseKey(key.encode(), abi.encodeWithSelector(ModelKeys.OtherSrs.selector, srs, key.srsId));
        key = _small();
        for (uint256 i = 0; i < 4; ++i) {
            key.insecure = [uint8(0), 2, 3, 255][i];
            _refuseKey(key.encode(), abi.encodeWithSelector(ModelKeys.OtherSrs.selector, srs, srs));
        }
        key = _small();
        key.domain = "inferproof/program/2";
        _refuseKey(key.encode(), _malformed());
        key = _small();
        key.weightsDomain = "inferproof/weights/2";
        _refuseKey(key.encode(), _malformed());
        // Where the SRS is not for development, keys say so too.
        verifier = new InferenceVerifier(spliced(bytesOf(".srs"), 0, hex"00"));
        _refuseKey(_small().encode(), abi.encodeWithSelector(ModelKeys.OtherSrs.selector, srs, srs));
        key = _small();
        key.insecure = 0;
        _store(key);
        verifier = new InferenceVerifier(bytesOf(".otherSrs"));
        bytes32 got = bytes32(wordAt(bytesOf(".secret.key"), 27));
        _refuseKey(bytesOf(".secret.key"), abi.encodeWithSelector(ModelKeys.OtherSrs.selector, verifier.srsId(), got));
    }

    /// @notice Counts are those of this machine.
    function test_storeKey_refusesOtherCounts() external {
        Key memory key = _small();
        key.fixedCount++;
        _refuseKey(key.encode(), _malformed());
        key.fixedPoints = bytes.concat(key.fixedPoints, new bytes(64));
        _refuseKey(key.encode(), _malformed());
        key = _small();
        key.permutationCount++;
        _refuseKey(key.encode(), _malformed());
        key.permutationPoints = bytes.concat(key.permutationPoints, new bytes(64));
        _refuseKey(key.encode(), _malformed());
        key = _small();
        key.laneCount++;
        _refuseKey(key.encode(), _malformed());
        key.laneCount = type(uint32).max;
        _refuseKey(key.encode(), _malformed());
        key = _small();
        key.secret = 2;
        _refuseKey(key.encode(), _malformed());
        key.secret = 255;
        _refuseKey(key.encode(), _malformed());
    }

    /// @notice A key ends where it ends.
    function test_storeKey_refusesAnotherLength() external {
        bytes memory key = bytesOf(".secret.key");
        for (uint256 length = 0; length < key.length; length += length > 760 && length < 960 ? 1 : 5) {
            _refuseKey(sliced(key, 0, length), _malformed());
        }
        _refuseKey(sliced(key, 0, key.length - 1), _malformed());
        _refuseKey(bytes.concat(key, hex"00"), _malformed());
        _refuseKey(bytes.concat(key, new bytes(64)), _malformed());
    }

    /// @notice The program's digest is a reduced scalar.
    function test_storeKey_boundsTheDigest() external {
        Key memory key = _small();
        key.digest = FR;
        _refuseKey(key.encode(), _outOfBounds());
        key.digest = type(uint256).max;
        _refuseKey(key.encode(), _outOfBounds());
        key.digest = FR - 1;
        eq(wordAt(_store(key), 12 * 32), FR - 1);
    }

    /// @notice Commitments are on the curve and reduced; at infinity only where zeros can be committed to.
    function test_storeKey_refusesBadPoints() external {
        for (uint256 kind = 0; kind < 3; ++kind) {
            uint256 count = [FIXED_COMMITMENTS, PERMUTATION_COMMITMENTS, 3][kind];
            uint256 index = [0, FIXED_COMMITMENTS, FIXED_COMMITMENTS + PERMUTATION_COMMITMENTS][kind];
            for (uint256 i = 0; i < count; ++i) {
                bytes memory reason = abi.encodeWithSelector(ModelKeys.InvalidKeyPoint.selector, index + i);
                bytes memory point = times(2);
                (uint256 x, uint256 y) = (wordAt(point, 0), wordAt(point, 32));
                for (uint8 secret = 0; secret < 2; ++secret) {
                    _store(_pointKey(kind, i, x, y, secret));
                    _refuseKey(_pointKey(kind, i, addmod(x, 1, FQ), y, secret).encode(), reason);
                    _refuseKey(_pointKey(kind, i, x, addmod(y, 1, FQ), secret).encode(), reason);
                    _refuseKey(_pointKey(kind, i, x + FQ, y, secret).encode(), reason);
                    _refuseKey(_pointKey(kind, i, x, y + FQ, secret).encode(), reason);
                    _refuseKey(_pointKey(kind, i, 0, FQ, secret).encode(), reason);
                    _refuseKey(_pointKey(kind, i, 0, 1, secret).encode(), reason);
                    _refuseKey(_pointKey(kind, i, 1, 0, secret).encode(), reason);
                    if (kind == 2 && secret == 1) _refuseKey(_pointKey(kind, i, 0, 0, secret).encode(), reason);
                    else _store(_pointKey(kind, i, 0, 0, secret));
                }
            }
        }
    }

    /// @dev A key with one other point: of the program, of its copies, or a lane.
    function _pointKey(uint256 kind, uint256 index, uint256 x, uint256 y, uint8 secret)
        private
        view
        returns (Key memory key)
    {
        bytes memory lanes = bytes.concat(times(3), times(4), times(5));
        bytes memory point = abi.encode(x, y);
        if (kind == 2) lanes = spliced(lanes, 64 * index, point);
        key = Keys.small(verifier.srsId(), secret, lanes);
        if (kind == 0) key.fixedPoints = spliced(key.fixedPoints, 64 * index, point);
        if (kind == 1) key.permutationPoints = spliced(key.permutationPoints, 64 * index, point);
    }

    function _small() private view returns (Key memory) {
        return Keys.small(verifier.srsId(), 0, times(3));
    }

    /// @dev A small key that shows its tensors in one of twelve ways: four of the output for each of the input.
    function _shown(uint256 index) private view returns (Key memory key) {
        key = _small();
        (key.input.visibility, key.output.visibility) = (uint8(index / 4), uint8(index % 4));
        key.words = (index / 4 == 0 ? 1 : 0) + (index % 4 == 0 ? 1 : 0);
    }

    /// @dev What the header of a tensor has to be.
    function _headerOf(Tensor memory t) private view returns (bytes32) {
        bool committed = t.visibility == Keys.COMMITTED || t.visibility == Keys.GIVEN;
        return committed ? Keys.headerOf(verifier.srsId(), t) : bytes32(0);
    }

    /// @dev The header of the input of a key, which is stored and has to be good.
    function _storedHeader(Key memory key) private returns (bytes32) {
        key.input.visibility = Keys.COMMITTED;
        _store(key);
        return verifier.tensorHeader(key.idOf(), false);
    }

    /// @dev Stores a key that has to be good, and returns what was written.
    function _store(Key memory key) private returns (bytes memory) {
        eq(verifier.storeKey(key.encode()), key.idOf());
        return _read(key.idOf());
    }

    /// @dev What the data contract of a model holds after its first byte.
    function _read(bytes32 id) private view returns (bytes memory) {
        bytes memory code = verifier.keyPointer(id).code;
        eq(uint8(code[0]), 0);
        return sliced(code, 1, code.length);
    }

    function _refuseKey(bytes memory key, bytes memory reason) private {
        (bool ok, bytes memory data) = address(verifier).call(abi.encodeCall(verifier.storeKey, (key)));
        no(ok);
        eq(string(data), string(reason));
    }

    function _refuseSrs(bytes memory srs) private {
        try new InferenceVerifier(srs) {
            yes(false);
        } catch (bytes memory reason) {
            eq(string(reason), string(abi.encodeWithSelector(ModelKeys.InvalidSrs.selector)));
        }
    }

    function _malformed() private pure returns (bytes memory) {
        return abi.encodeWithSelector(ModelKeys.MalformedKey.selector);
    }

    function _outOfBounds() private pure returns (bytes memory) {
        return abi.encodeWithSelector(ModelKeys.KeyOutOfBounds.selector);
    }

    /// @dev The sign bits of `count` elements of `size` bytes.
    function _signs(uint256 count, uint256 size) private pure returns (uint256 mask) {
        for (uint256 i = 0; i < count; ++i) {
            mask |= 1 << (8 * size * i + 8 * size - 1);
        }
    }

    /// @dev Fails the test unless there is one log, and it is of this key.
    function _checkLog(bytes32 id, address pointer) private {
        Vm.Log[] memory logs = vm.getRecordedLogs();
        eq(logs.length, 1);
        eq(logs[0].emitter, address(verifier));
        eq(logs[0].topics.length, 2);
        eq(logs[0].topics[0], ModelKeys.KeyStored.selector);
        eq(logs[0].topics[1], id);
        eq(string(logs[0].data), string(abi.encode(pointer)));
    }

    function _checkRange(int64 lo, int64 hi, uint256 size, bool signed) private {
        Key memory key = _small();
        key.output = Keys.tensor(1000, lo, hi);
        key.k = 8;
        uint256 per = size == 1 ? 31 : 15;
        key.words = uint32(1 + (999 + per) / per);
        bytes memory data = _store(key);
        eq(wordAt(data, 8 * 32), 1000 * size);
        eq(wordAt(data, 9 * 32), per * size);
        eq(wordAt(data, 10 * 32), signed ? _signs(per, size) : 0);
    }

    function _checkStored(Claim memory claim, uint256[7] memory words) private {
        eq(verifier.storeKey(claim.key), claim.inference.modelId);
        bytes memory data = _read(claim.inference.modelId);
        uint256 k = uint8(claim.key[26]);
        eq(wordAt(data, 0), k);
        _checkRoots(data, k);
        for (uint256 i = 0; i < words.length; ++i) {
            eq(wordAt(data, 32 * (5 + i)), words[i]);
        }
        eq(wordAt(data, 12 * 32), wordAt(claim.key, 776));
        uint256 lanes = wordAt(data, 13 * 32);
        for (uint256 i = 14; i < 18; ++i) {
            eq(wordAt(data, 32 * i), 0);
        }
        eq(data.length, HEADER + 64 * (KEY_POINTS + lanes));
        bytes memory srs = bytesOf(".srs");
        bytes memory points = bytes.concat(
            sliced(srs, 130 + 192 * (k - 4), 130 + 192 * (k - 3)),
            sliced(claim.key, 64, 576),
            sliced(claim.key, 580, 772),
            sliced(claim.key, claim.key.length - 64 * lanes, claim.key.length)
        );
        eq(string(sliced(data, HEADER, data.length)), string(points));
    }

    /// @dev The root of unity, its inverse, the row after the last usable one, and 1 / n.
    function _checkRoots(bytes memory data, uint256 k) private view {
        uint256 root = wordAt(data, 32);
        eq(power(root, 1 << (k - 1)), FR - 1);
        eq(mulmod(root, wordAt(data, 64), FR), 1);
        eq(mulmod(power(root, 6), wordAt(data, 96), FR), 1);
        eq(mulmod(1 << k, wordAt(data, 128), FR), 1);
    }
}
