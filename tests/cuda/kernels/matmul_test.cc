// Products on the device against the oracles, bit for bit, in every variant; against float64; and
// the parts of the output that must stay as they were.
#include "cuda/kernels/matmul.h"

#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <random>
#include <string>
#include <vector>

#include "cuda/kernels/mma_oracle.h"
#include "cuda/test_device.h"
#include "memory/large_buffer.h"
#include "numerics/fp_mode.h"
#include "ops/host_storage.h"
#include "ops/matmul.h"

namespace llmrt::cuda {
namespace {

constexpr MatMulVariant kVariants[] = {MatMulVariant::kTokens8, MatMulVariant::kTokens32,
                                       MatMulVariant::kTokens64};
constexpr Element kMmaElements[] = {Element::kF16, Element::kBF16};
constexpr int64_t kOutPadding = 3;  // floats between rows of the output

int64_t RoundUp(int64_t value, int64_t to) { return (value + to - 1) / to * to; }

// Bits, so that NaN equals NaN and +0 differs from -0.
std::vector<uint32_t> BitsOf(const std::vector<float>& values) {
  std::vector<uint32_t> bits;
  for (const float value : values) bits.push_back(std::bit_cast<uint32_t>(value));
  return bits;
}

// Magnitudes from 2^-12 to 2^4 and some zeros: in float32 also denormals and what makes them.
float RandomValue(std::mt19937& random, Element element) {
  const float value = std::normal_distribution<float>()(random);
  const uint32_t kind = std::uniform_int_distribution<uint32_t>(0, 15)(random);
  if (kind == 0) return 0.0f;
  if (kind == 1) return std::ldexp(value, -12);
  if (element == Element::kF32 && kind == 2) return std::ldexp(value, -70);
  if (element == Element::kF32 && kind == 3) return std::ldexp(value, -130);
  return kind == 4 ? std::ldexp(value, 4) : value;
}

// A weight matrix and activations, on the host and on the device, and the oracle's products.
class Product {
 public:
  Product(Element element, int32_t features, int32_t rows, int64_t k, int major)
      : element_(element),
        features_(features),
        rows_(rows),
        k_(k),
        padded_k_(RoundUp(k, element == Element::kF32 ? 16 : 64)),
        stride_(RoundUp(k, element == Element::kF32 ? 32 : 64)),
        random_(static_cast<uint32_t>(features * 7919 + rows * 104729 + k)),
        weights_(Matrix(features)),
        activations_(Matrix(rows)),
        device_weights_(Bytes(weights_)),
        device_activations_(Bytes(activations_)) {
    element == Element::kF32 ? ComputeFloat32() : ComputeMma(MatrixUnitOf(major));
  }

  std::string Name() const {
    return std::to_string(static_cast<int>(element_)) + "/" + std::to_string(features_) + "x" +
           std::to_string(k_) + "x" + std::to_string(rows_);
  }
  MatMulArgs Args() const {
    return {.weight = device_weights_.get(),
            .activations = device_activations_.get(),
            .row_stride = stride_ * (element_ == Element::kF32 ? 4 : 2),
            .padded_k = padded_k_,
            .first_feature = 0,
            .end_feature = features_,
            .num_rows = rows_,
            .accumulate = 0,
            .out = nullptr,
            .out_stride = features_ + kOutPadding};
  }
  // The arguments with rows [first, first + count) of the activations.
  MatMulArgs RowArgs(int32_t first, int32_t count) const {
    MatMulArgs args = Args();
    args.activations += first * args.row_stride;
    args.num_rows = count;
    return args;
  }
  float Total(int32_t row, int32_t feature) const { return totals_[row * features_ + feature]; }
  double Weight(int32_t row, int64_t k) const { return weights_[row * stride_ + k]; }
  double Activation(int32_t row, int64_t k) const { return activations_[row * stride_ + k]; }

  // Launches into an output of `rows` rows that holds `before` everywhere. Returns all of it.
  std::vector<float> Run(MatMulArgs args, MatMulVariant variant, float before) const {
    DeviceArray<float> out(std::vector<float>(args.num_rows * args.out_stride, before));
    args.out = out.get();
    const LaunchShape shape =
        element_ == Element::kF32 ? MatMulFloat32Shape(args) : MatMulShape(args, variant);
    EXPECT_EQ(TestDevice::Get().Launch(MatMulKernelId(element_, variant), shape, args), "")
        << Name();
    return out.Download();
  }
  // What Run must return where row 0 of the arguments is row `first`.
  std::vector<float> Expected(const MatMulArgs& args, int32_t first, float before) const {
    const numerics::ScopedFpMode fp_mode;
    std::vector<float> out(args.num_rows * args.out_stride, before);
    for (int32_t row = 0; row < args.num_rows; ++row) {
      for (int32_t feature = args.first_feature; feature < args.end_feature; ++feature) {
        float& value = out[row * args.out_stride + feature];
        const float total = Total(first + row, feature);
        value = args.accumulate != 0 ? value + total : total;
      }
    }
    return out;
  }

 private:
  std::vector<float> Matrix(int32_t rows) {
    std::vector<float> values(rows * stride_, 0.0f);
    for (int32_t row = 0; row < rows; ++row) {
      for (int64_t k = 0; k < k_; ++k) {
        const float value = RandomValue(random_, element_);
        values[row * stride_ + k] =
            element_ == Element::kF32 ? value : ToFloat(element_, RoundTo(element_, value));
      }
    }
    return values;
  }
  std::vector<uint16_t> Rounded(const std::vector<float>& values) const {
    std::vector<uint16_t> rounded;
    for (const float value : values) rounded.push_back(RoundTo(element_, value));
    return rounded;
  }
  std::vector<uint8_t> Bytes(const std::vector<float>& values) const {
    std::vector<uint8_t> bytes(values.size() * (element_ == Element::kF32 ? 4 : 2));
    if (element_ == Element::kF32) {
      std::memcpy(bytes.data(), values.data(), bytes.size());
    } else {
      std::memcpy(bytes.data(), Rounded(values).data(), bytes.size());
    }
    return bytes;
  }
  void ComputeFloat32() {
    memory::LargeMemory memory(0);
    const auto matrix =
        ops::HostMatrix::Create(memory, backend::WeightType::kF32, features_, k_).value();
    for (int32_t row = 0; row < features_; ++row) {
      const auto* bytes = reinterpret_cast<const uint8_t*>(&weights_[row * stride_]);
      const absl::Status status = static_cast<ops::HostMatrix&>(*matrix).WriteRows(
          row, {bytes, static_cast<size_t>(k_) * 4});
      EXPECT_TRUE(status.ok()) << status;
    }
    const int64_t row_bytes = backend::ActivationRowBytes(backend::ActivationFormat::kF32, k_);
    std::vector<uint8_t> rows(rows_ * row_bytes, 0);
    for (int32_t row = 0; row < rows_; ++row) {
      std::memcpy(&rows[row * row_bytes], &activations_[row * stride_], k_ * 4);
    }
    totals_.resize(rows_ * features_);
    ops::OracleMatMul({{.weight = matrix.get(),
                        .activations = rows.data(),
                        .num_rows = rows_,
                        .out = totals_.data(),
                        .out_stride = features_}},
                      {0, features_});
  }
  void ComputeMma(MatrixUnit unit) {
    const std::vector<uint16_t> weights = Rounded(weights_), activations = Rounded(activations_);
    for (int32_t row = 0; row < rows_; ++row) {
      for (int32_t feature = 0; feature < features_; ++feature) {
        totals_.push_back(MmaDot(element_, unit, &weights[feature * stride_],
                                 &activations[row * stride_], padded_k_));
      }
    }
  }

  const Element element_;
  const int32_t features_, rows_;
  const int64_t k_, padded_k_, stride_;
  std::mt19937 random_;
  const std::vector<float> weights_, activations_;
  const DeviceArray<uint8_t> device_weights_, device_activations_;
  std::vector<float> totals_;
};

class MatMulTest : public testing::Test {
 protected:
  void SetUp() override { ASSERT_TRUE(TestDevice::Get().ok()) << TestDevice::Get().problem(); }
  void TearDown() override {
    if (emulation() == nullptr) return;
    emulation()->set_seed(1);
    emulation()->set_architecture(9, 0);
  }
  static const Emulation* emulation() { return TestDevice::Get().emulation(); }
  static int major() { return TestDevice::Get().major(); }

  // In every variant of the element (float32 has one) all of the output equals the oracle's.
  static void ExpectOracle(const Product& product, const MatMulArgs& args, int32_t first_row,
                           bool is_float32) {
    for (const MatMulVariant variant : kVariants) {
      const std::vector<float> out = product.Run(args, variant, -7.5f);
      EXPECT_EQ(BitsOf(out), BitsOf(product.Expected(args, first_row, -7.5f)))
          << product.Name() << " variant " << static_cast<int>(variant);
      EXPECT_EQ(
          RecordHash("matmul/" + product.Name() + "/" + std::to_string(first_row) + "/" +
                         std::to_string(args.num_rows) + "/" + std::to_string(args.first_feature) +
                         "/" + std::to_string(args.accumulate) + "/" +
                         std::to_string(static_cast<int>(variant)),
                     out),
          "");
      if (is_float32) return;
    }
  }
  static void ExpectOracle(Element element, int32_t features, int32_t rows, int64_t k) {
    const Product product(element, features, rows, k, major());
    ExpectOracle(product, product.Args(), 0, element == Element::kF32);
  }
};

TEST_F(MatMulTest, EqualsTheOracleForEveryNumberOfTokens) {
  for (int32_t rows = 1; rows <= 130; ++rows) {
    ExpectOracle(Element::kF32, 17, rows, 40);
    for (const Element element : kMmaElements) ExpectOracle(element, 17, rows, 40);
  }
}

TEST_F(MatMulTest, EqualsTheOracleInManyTilesAndChunks) {
  for (const int32_t rows : {8, 33, 130}) {
    for (const Element element : kMmaElements) ExpectOracle(element, 200, rows, 1500);
  }
  ExpectOracle(Element::kF32, 200, 33, 1500);
}

TEST_F(MatMulTest, EqualsTheOracleForEveryNumberOfFeatures) {
  for (const int32_t features : {1, 15, 16, 17, 63, 64, 65, 200}) {
    ExpectOracle(Element::kF32, features, 3, 64);
    for (const Element element : kMmaElements) ExpectOracle(element, features, 3, 64);
  }
}

// 4608 values are 9 chunks: five warps with shares of two or one.
TEST_F(MatMulTest, EqualsTheOracleForEveryLengthOfARow) {
  for (const int64_t k : {1, 8, 64, 172, 512, 513, 1024, 1500, 4608}) {
    ExpectOracle(Element::kF32, 9, 2, k);
    for (const Element element : kMmaElements) ExpectOracle(element, 9, 2, k);
  }
}

// Every row alone, in any variant, is the row of the batch: rows of one product, one to three at a
// time.
TEST_F(MatMulTest, ARowIsTheSameInEveryBatch) {
  for (const Element element : kMmaElements) {
    const Product product(element, 20, 70, 600, major());
    for (const int32_t first : {0, 1, 8, 37, 69}) {
      ExpectOracle(product, product.RowArgs(first, first % 3 == 0 ? 1 : 2 - first % 2), first,
                   false);
    }
  }
}

TEST_F(MatMulTest, OnlyTheFeaturesOfTheRangeAreWritten) {
  for (const Element element : {Element::kF32, Element::kF16, Element::kBF16}) {
    const Product product(element, 90, 10, 70, major());
    for (const auto& [first, end] : {std::pair{0, 1}, {3, 80}, {17, 33}, {89, 90}}) {
      MatMulArgs args = product.Args();
      args.first_feature = first;
      args.end_feature = end;
      ExpectOracle(product, args, 0, element == Element::kF32);
    }
  }
}

TEST_F(MatMulTest, TheOutputIsAddedLastAndOnce) {
  for (const Element element : {Element::kF32, Element::kF16, Element::kBF16}) {
    const Product product(element, 33, 9, 1100, major());
    MatMulArgs args = product.Args();
    args.accumulate = 1;
    ExpectOracle(product, args, 0, element == Element::kF32);
  }
}

TEST_F(MatMulTest, NoOrderOfThreadsChangesABit) {
  if (emulation() == nullptr) GTEST_SKIP() << "a GPU's order cannot be chosen";
  for (uint64_t seed = 1; seed <= 4; ++seed) {
    emulation()->set_seed(seed);
    ExpectOracle(Element::kF32, 20, 10, 600);
    for (const Element element : kMmaElements) ExpectOracle(element, 70, 10, 1100);
  }
}

TEST_F(MatMulTest, AmperesMatrixUnitIsFollowedToo) {
  if (emulation() == nullptr) GTEST_SKIP() << "a GPU has one matrix unit";
  emulation()->set_architecture(8, 6);
  for (const Element element : kMmaElements) {
    const Product product(element, 40, 12, 700, 8);
    ExpectOracle(product, product.Args(), 0, false);
  }
}

// A step of 16 products and c, of which T is the largest magnitude, cuts 17 terms by less than
// 2^-25 T each (Ampere: twice 9 terms by 2^-24 T) and the result by 2^-23 of itself (twice). With S
// = sum |a b|, both T and the result stay below 1.01 S: at most 11 * 2^-23 S a step. Adding chunks
// rounds by 2^-24 S each, fewer than there are steps.
TEST_F(MatMulTest, StaysWithinTheDerivedBoundOfFloat64) {
  for (const Element element : kMmaElements) {
    const Product product(element, 24, 5, 1500, major());
    const std::vector<float> out = product.Run(product.Args(), MatMulVariant::kTokens8, 0.0f);
    for (int32_t row = 0; row < 5; ++row) {
      for (int32_t feature = 0; feature < 24; ++feature) {
        double sum = 0.0, magnitude = 0.0;
        for (int64_t k = 0; k < 1500; ++k) {
          const double term = product.Weight(feature, k) * product.Activation(row, k);
          sum += term;
          magnitude += std::abs(term);
        }
        const double bound = 1500.0 / 16 * 11.5 * 0x1p-23 * 1.01 * magnitude;
        EXPECT_LT(std::abs(out[row * (24 + kOutPadding) + feature] - sum), bound);
      }
    }
  }
}

TEST(MatMulShapeTest, VariantsFollowTheTokens) {
  MatMulArgs args = {};
  args.padded_k = 4096;
  args.end_feature = 100;
  const std::pair<int32_t, KernelId> cases[] = {{1, KernelId::kMatMulHalf8Kernel},
                                                {8, KernelId::kMatMulHalf8Kernel},
                                                {9, KernelId::kMatMulHalf32Kernel},
                                                {32, KernelId::kMatMulHalf32Kernel},
                                                {33, KernelId::kMatMulHalf64Kernel}};
  for (const auto& [rows, kernel] : cases) {
    args.num_rows = rows;
    EXPECT_EQ(MatMulLaunchFor(Element::kF16, args).kernel, kernel) << rows;
  }
  EXPECT_EQ(MatMulLaunchFor(Element::kF32, args).kernel, KernelId::kMatMulFloat32Kernel);
}

// The sums of a row's chunks must fit: beyond 32 chunks the wide variant takes over, and no shape
// asks for more than the 99 KB that every GPU grants.
TEST(MatMulShapeTest, EveryShapeFitsEveryGpu) {
  MatMulArgs args = {};
  args.end_feature = 16;
  for (int64_t k = 64; k <= 65536; k += 64) {
    for (const int32_t rows : {1, 9, 33}) {
      args.padded_k = k;
      args.num_rows = rows;
      const MatMulLaunch launch = MatMulLaunchFor(Element::kBF16, args);
      ASSERT_LE(launch.shape.shared_bytes, 99u << 10) << k;
      ASSERT_LE(launch.shape.threads, 256u) << k;
      ASSERT_EQ(launch.kernel == KernelId::kMatMulBFloat8Kernel, rows == 1 && k <= 16384) << k;
    }
  }
}

}  // namespace
}  // namespace llmrt::cuda
