// Every way in which the tensor directory can lie.
#include "formats/gguf_tensors.h"

#include <string>
#include <vector>

#include "tests/formats/gguf_bytes.h"

namespace llmrt::formats {
namespace {

using Type = GgufValueType;
constexpr absl::StatusCode kDataLoss = absl::StatusCode::kDataLoss;

constexpr uint32_t kF32 = 0;
constexpr uint32_t kQ8_0 = 8;
constexpr uint32_t kQ4_K = 12;

TEST(GgufTensorsTest, DescriptionsBecomeAbsolute) {
  GgufBytes file;
  file.Header(2, 0).Tensor("a", {4, 3}, kF32, 0).Tensor("b", {32, 2, 5, 7}, kQ8_0, 64).Pad();
  const int64_t start = static_cast<int64_t>(file.bytes().size());
  file.Zeros(64 + 34 * 70);
  const auto model = OpenBytes(file.bytes());
  ASSERT_TRUE(model.ok()) << model.status();
  const TensorInfo& a = *(*model)->FindTensor("a");
  EXPECT_EQ(a.offset, start);
  EXPECT_EQ(a.bytes, 48);
  EXPECT_EQ(a.num_dims, 2);
  const TensorInfo& b = *(*model)->FindTensor("b");
  EXPECT_EQ(b.offset, start + 64);
  EXPECT_EQ(b.type, backend::WeightType::kQ8_0);
  EXPECT_EQ(b.rows(), 70);
  EXPECT_EQ(b.bytes, 34 * 70);
}

TEST(GgufTensorsTest, OrderAndGapsInTheDataAreFree) {
  GgufBytes file;
  file.Header(2, 0).Tensor("late", {8}, kF32, 128).Tensor("early", {8}, kF32, 0).Pad().Zeros(160);
  EXPECT_TRUE(OpenBytes(file.bytes()).ok());
}

TEST(GgufTensorsTest, AlignmentOfTheFileIsHonoured) {
  for (uint32_t alignment : {8u, 16u, 24u, 64u, 4096u}) {
    GgufBytes file;
    file.Header(1, 1).Key("general.alignment", Type::kUint32).U32(alignment);
    file.Tensor("a", {2}, kF32, 0).Pad(alignment);
    const size_t start = file.bytes().size();
    const auto model = OpenBytes(file.Zeros(8).bytes());
    ASSERT_TRUE(model.ok()) << model.status();
    EXPECT_EQ((*model)->FindTensor("a")->offset, static_cast<int64_t>(start));
  }
}

// One tensor "t" and plenty of data.
std::function<void(GgufBytes&)> One(std::vector<uint64_t> dims, uint32_t type, uint64_t offset = 0,
                                    size_t data = 4096) {
  return [=](GgufBytes& f) { f.Header(1, 0).Tensor("t", dims, type, offset).Pad().Zeros(data); };
}

TEST(GgufTensorsTest, LiesAboutShapes) {
  const Lie lies[] = {
      {"no dimension", One({}, kF32), kDataLoss, "\"t\" has 0 dimensions; 1 to 4 are allowed"},
      {"five dimensions", One({1, 1, 1, 1, 1}, kF32), kDataLoss, "has 5 dimensions; 1 to 4"},
      {"2^32 - 1 dimensions", [](GgufBytes& f) { f.Header(1, 0).Text("t").U32(~0u).Zeros(4096); },
       kDataLoss, "has 4294967295 dimensions"},
      {"dimension 0", One({4, 0}, kF32), kDataLoss,
       "dimension 1 of size 0; sizes are 1 to 281474976710656"},
      {"dimension 2^63", One({1ull << 63}, kF32), kDataLoss,
       "dimension 0 of size 9223372036854775808"},
      {"dimension 2^64 - 1", One({~0ull}, kF32), kDataLoss, "size 18446744073709551615"},
      {"product of rows overflows", One({4, 1ull << 40, 1ull << 40}, kF32), kDataLoss,
       "shape 4 x 1099511627776 x 1099511627776, whose size in bytes exceeds"},
      {"product of bytes overflows", One({1ull << 40, 1ull << 24}, kF32), kDataLoss,
       "shape 1099511627776 x 16777216, whose size in bytes exceeds"},
      {"product wraps around to a small number", One({1ull << 32, 1ull << 32}, kF32), kDataLoss,
       "whose size in bytes exceeds 2.63 - 1"},
      {"row is no whole block", One({48}, kQ8_0), kDataLoss,
       "rows of 48 values, which is not whole Q8_0 blocks of 32"},
      {"row is half a K block", One({128, 2}, kQ4_K), kDataLoss,
       "rows of 128 values, which is not whole Q4_K blocks of 256"},
      {"name of 1025 bytes",
       [](GgufBytes& f) {
         f.Header(1, 0).Tensor(std::string(1025, 'n'), {4}, kF32, 0).Pad().Zeros(16);
       },
       kDataLoss, "tensor name has length 1025; the limit is 1024"},
      {"name longer than the file", [](GgufBytes& f) { f.Header(1, 0).U64(999).Zeros(64); },
       kDataLoss, "tensor name has length 999; 64 bytes are left"},
      {"no name", [](GgufBytes& f) { f.Header(1, 0).Tensor("", {4}, kF32, 0).Pad().Zeros(64); },
       kDataLoss, "tensor name has length 0"},
      {"name twice",
       [](GgufBytes& f) {
         f.Header(2, 0).Tensor("x", {4}, kF32, 0).Tensor("x", {4}, kF32, 32).Pad().Zeros(64);
       },
       kDataLoss, "tensor \"x\" appears twice"},
  };
  for (const Lie& lie : lies) ExpectRefused(lie);
}

TEST(GgufTensorsTest, TypesThatAreNotSupportedAreDescribedAndNotRead) {
  const struct {
    uint32_t number;
    std::string_view name;
  } types[] = {{10, "Q2_K"},  {23, "IQ4_XS"},    {39, "MXFP4"},
               {4, "type 4"}, {200, "type 200"}, {~0u, "type 4294967295"}};
  for (const auto& type : types) {
    GgufBytes file;
    file.Header(2, 0).Tensor("a", {4}, kF32, 0).Tensor("t\n", {200, 3}, type.number, 32);
    const auto model = OpenBytes(file.Pad().Zeros(64).bytes());
    ASSERT_TRUE(model.ok()) << model.status();
    const TensorInfo& tensor = *(*model)->FindTensor("t\n");
    EXPECT_EQ(tensor.unsupported_type, type.name);
    EXPECT_EQ(tensor.rows(), 3);
    EXPECT_EQ(tensor.bytes, 0);
    const std::string refusal = absl::StrCat(
        "memory: tensor \"t\\n\" has type ", type.name,
        ", which is not supported; use a file with F32, F16, BF16, Q8_0, Q4_0, Q4_1, Q5_0, Q5_1, "
        "Q4_K, Q5_K or Q6_K");
    EXPECT_EQ((*model)->CheckTypes(), absl::UnimplementedError(refusal));
    EXPECT_EQ((*model)->ReadTensor(tensor, 0, {}), absl::UnimplementedError(refusal));
    EXPECT_EQ((*model)->FindTensor("a")->unsupported_type, "");
  }
}

TEST(GgufTensorsTest, PlacesOfUnsupportedTypesAreChecked) {
  constexpr uint32_t kIq4Xs = 23;
  const Lie lies[] = {
      {"offset off the alignment", One({256}, kIq4Xs, 16), kDataLoss, "no multiple of the align"},
      {"offset at the end", One({256}, kIq4Xs, 4096), kDataLoss,
       "\"t\" has 1 bytes from byte 4160 on; the file ends at 4160"},
      {"offset past the file", One({256}, kIq4Xs, 1 << 20), kDataLoss, "starts at offset 1048576"},
      {"more values than 2^63", One({1ull << 40, 1ull << 24}, kIq4Xs), kDataLoss,
       "shape 1099511627776 x 16777216, whose size in bytes exceeds"},
      {"two at one place",
       [](GgufBytes& f) {
         f.Header(2, 0).Tensor("a", {4}, kIq4Xs, 0).Tensor("b", {4}, kIq4Xs, 0).Pad().Zeros(64);
       },
       kDataLoss, "starts at byte 96, inside tensor"},
      {"inside one of a known type",
       [](GgufBytes& f) {
         f.Header(2, 0).Tensor("a", {16}, kF32, 0).Tensor("b", {4}, kIq4Xs, 32).Pad().Zeros(64);
       },
       kDataLoss, "\"b\" starts at byte 128, inside tensor \"a\", which ends at 160"},
  };
  for (const Lie& lie : lies) ExpectRefused(lie);
}

// Tensors "0", "1", ... of one value each.
void PutTensors(uint64_t count, GgufBytes& file) {
  file.Header(count, 0);
  for (uint64_t i = 0; i < count; ++i) file.Tensor(std::to_string(i), {1}, kF32, i * 32);
  file.Pad().Zeros(32 * count);
}

TEST(GgufTensorsTest, TensorsEndAtALimitBeforeAnyIsRead) {
  GgufBytes most;
  PutTensors(kGgufTensorsMax, most);
  EXPECT_TRUE(OpenBytes(most.bytes()).ok());
  ExpectRefused({"one more", [](GgufBytes& f) { PutTensors(kGgufTensorsMax + 1, f); }, kDataLoss,
                 "number of tensors is 65537; the limit is 65536 .at byte 24.; download"});
}

TEST(GgufTensorsTest, LiesAboutPlaces) {
  const Lie lies[] = {
      {"more tensors than bytes", [](GgufBytes& f) { f.Header(10, 0).Zeros(320); }, kDataLoss,
       "number of tensors is 10; the 320 bytes left hold at most 9"},
      {"2^64 - 1 tensors", [](GgufBytes& f) { f.Header(~0ull, 0).Zeros(320); }, kDataLoss,
       "number of tensors is 18446744073709551615"},
      {"fewer entries than tensors",
       [](GgufBytes& f) { f.Header(2, 0).Tensor("t", {4}, kF32, 0).U64(1).Raw("u").Zeros(20); },
       kDataLoss, "left"},
      {"offset off the alignment", One({4}, kF32, 16), kDataLoss,
       "offset 16, which is no multiple of the alignment 32"},
      {"offset past the file", One({4}, kF32, 1 << 20), kDataLoss,
       "\"t\" starts at offset 1048576; the file has 4160 bytes"},
      {"offset 2^64 - 32", One({4}, kF32, ~0ull - 31), kDataLoss,
       "starts at offset 18446744073709551584"},
      {"offset inside, end outside", One({1024}, kF32, 32), kDataLoss,
       "\"t\" has 4096 bytes from byte 96 on; the file ends at 4160"},
      {"one byte short", One({1024}, kF32, 0, 4095), kDataLoss,
       "\"t\" has 4096 bytes from byte 64 on; the file ends at 4159"},
      {"data missing altogether", [](GgufBytes& f) { f.Header(1, 0).Tensor("t", {4}, kF32, 0); },
       kDataLoss, "\"t\" has 16 bytes from byte 64 on; the file ends at 57"},
      {"two at one place",
       [](GgufBytes& f) {
         f.Header(2, 0).Tensor("a", {4}, kF32, 0).Tensor("b", {4}, kF32, 0).Pad().Zeros(64);
       },
       kDataLoss, "starts at byte 96, inside tensor"},
      {"overlap by a part",
       [](GgufBytes& f) {
         f.Header(2, 0).Tensor("a", {16}, kF32, 0).Tensor("b", {4}, kF32, 32).Pad().Zeros(64);
       },
       kDataLoss, "\"b\" starts at byte 128, inside tensor \"a\", which ends at 160"},
      {"alignment 0",
       [](GgufBytes& f) { f.Header(0, 1).Key("general.alignment", Type::kUint32).U32(0); },
       kDataLoss, "general.alignment\" is 0; it is a multiple of 8"},
      {"alignment 4",
       [](GgufBytes& f) { f.Header(0, 1).Key("general.alignment", Type::kUint32).U32(4); },
       kDataLoss, "general.alignment\" is 4; it is a multiple of 8"},
      {"alignment 33",
       [](GgufBytes& f) { f.Header(0, 1).Key("general.alignment", Type::kUint32).U32(33); },
       kDataLoss, "general.alignment\" is 33"},
      {"alignment 2^63 - 8",
       [](GgufBytes& f) {
         f.Header(0, 1).Key("general.alignment", Type::kUint64).U64((1ull << 63) - 8);
       },
       kDataLoss, "general.alignment\" is 9223372036854775800"},
      {"alignment that is text",
       [](GgufBytes& f) { f.Header(0, 1).Key("general.alignment", Type::kString).Text("32"); },
       absl::StatusCode::kInvalidArgument, "general.alignment\" is 32, not an integer"},
  };
  for (const Lie& lie : lies) ExpectRefused(lie);
}

}  // namespace
}  // namespace llmrt::formats
