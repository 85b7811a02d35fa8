#include "tools/cli/speculation_run.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <nlohmann/json.hpp>
#include <string>

#include "tools/cli/text_file.h"

namespace llmrt::cli {
namespace {

SpeculationFlags Small() {
  SpeculationFlags flags;
  flags.model = LLMRT_SAMPLES_DIR "/models/village-draft-q8_0.gguf";
  flags.batches = {1, 2};
  flags.acceptances = {50, 100};
  flags.generated = 12;
  flags.pairs = 2;
  flags.json = true;
  return flags;
}

TEST(SpeculationRunTest, EveryCaseIsMeasuredInTheOrderOfTheFlags) {
  ::testing::internal::CaptureStdout();
  const Outcome outcome = MeasureSpeculation(Small(), EngineFlags());
  std::fflush(stdout);
  const std::string text = ::testing::internal::GetCapturedStdout();
  ASSERT_TRUE(outcome.ok()) << outcome.message;
  const auto json = nlohmann::json::parse(text);
  std::string cases;
  for (const nlohmann::json& result : json["results"]) {
    cases += result["drafter"].get<std::string>() + " " + result["acceptance"].dump() + " " +
             result["batch"].dump() + "; ";
    EXPECT_EQ(result["pairs"], 2);
  }
  EXPECT_EQ(
      cases,
      "replay 0.5 1; replay 0.5 2; replay 1.0 1; replay 1.0 2; lookup null 1; lookup null 2; ");
  EXPECT_EQ(json["generated"], 12);
  EXPECT_EQ(json["device"].get<std::string>().find("cpu/"), 0u);
  EXPECT_GT(json["threads"], 0);
}

TEST(SpeculationRunTest, TheChartGoesToItsFile) {
  SpeculationFlags flags = Small();
  flags.batches = {1};
  flags.acceptances = {80};
  flags.pairs = 1;
  flags.chart = ::testing::TempDir() + "/speculation_run_test.svg";
  ::testing::internal::CaptureStdout();
  EXPECT_TRUE(MeasureSpeculation(flags, EngineFlags()).ok());
  ::testing::internal::GetCapturedStdout();
  std::string svg;
  ASSERT_TRUE(ReadTextFile(flags.chart, &svg).ok());
  EXPECT_EQ(svg.find("<svg "), 0u);
  std::filesystem::remove(flags.chart);
}

TEST(SpeculationRunTest, WhatCannotBeMeasuredSaysWhy) {
  SpeculationFlags flags = Small();
  flags.model = "no-such-file.gguf";
  EXPECT_EQ(MeasureSpeculation(flags, EngineFlags()).exit_status, kExitFailed);
  flags = Small();
  flags.chart = ::testing::TempDir();
  EXPECT_NE(MeasureSpeculation(flags, EngineFlags()).message.find(flags.chart), std::string::npos);
  flags = Small();
  flags.generated = 1 << 20;
  const Outcome outcome = MeasureSpeculation(flags, EngineFlags());
  EXPECT_EQ(outcome.exit_status, kExitFailed);
  EXPECT_NE(outcome.message.find("context"), std::string::npos) << outcome.message;
}

}  // namespace
}  // namespace llmrt::cli
