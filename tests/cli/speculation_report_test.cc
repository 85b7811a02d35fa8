#include "tools/cli/speculation_report.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cctype>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

namespace llmrt::cli {
namespace {

SpeculationReport Report() {
  SpeculationReport report = {.model = "m.gguf",
                              .fingerprint = "build=x;device=cpu/avx2",
                              .device = "cpu/avx2",
                              .threads = 3,
                              .generated = 64};
  report.results = {{.what = {.batch = 1, .acceptance = 20},
                     .speedups = {0.5, 1.25, 1.5},
                     .plain_rates = {100, 110, 150},
                     .drafted = 40,
                     .accepted = 10,
                     .steps = 160,
                     .tokens = 192},
                    {.what = {.batch = 16, .acceptance = 20},
                     .speedups = {1, 1, 1},
                     .plain_rates = {900, 1000, 1100},
                     .steps = 3072,
                     .tokens = 3072},
                    {.what = {.lookup = true, .batch = 1},
                     .speedups = {2.75},
                     .plain_rates = {120},
                     .drafted = 60,
                     .accepted = 45,
                     .steps = 19,
                     .tokens = 64}};
  return report;
}

std::string TableOf(const SpeculationReport& report) {
  ::testing::internal::CaptureStdout();
  EXPECT_TRUE(PrintSpeculationTable(report).ok());
  std::fflush(stdout);
  return ::testing::internal::GetCapturedStdout();
}

// The names of elements, opened and closed in order; empty where tags do not nest or an attribute
// has no quotes.
std::vector<std::string> ElementsOf(const std::string& xml) {
  std::vector<std::string> open, seen;
  for (size_t at = xml.find('<'); at != std::string::npos; at = xml.find('<', at + 1)) {
    const size_t end = xml.find('>', at);
    if (end == std::string::npos || xml.find('<', at + 1) < end) return {};
    std::string tag = xml.substr(at + 1, end - at - 1);
    if (std::count(tag.begin(), tag.end(), '"') % 2 != 0) return {};
    if (std::count(tag.begin(), tag.end(), '"') != 2 * std::count(tag.begin(), tag.end(), '='))
      return {};
    const bool closes = tag[0] == '/', alone = tag.back() == '/';
    const std::string name =
        tag.substr(closes ? 1 : 0, tag.find_first_of(" /", 1) - (closes ? 1 : 0));
    if (closes) {
      if (open.empty() || open.back() != tag.substr(1)) return {};
      open.pop_back();
      continue;
    }
    seen.push_back(name);
    if (!alone) open.push_back(name);
  }
  return open.empty() ? seen : std::vector<std::string>();
}

TEST(SpeculationResultTest, TokensAStepAreOfTheStepsThatDrew) {
  EXPECT_DOUBLE_EQ(Report().results[0].tokens_per_step(), 1.2);
  EXPECT_EQ(SpeculationResult().tokens_per_step(), 0) << "nothing was run";
}

TEST(SpeculationReportTest, TheTableHasARowForEachResult) {
  const std::string table = TableOf(Report());
  EXPECT_EQ(table.find("m.gguf on cpu/avx2, 3 threads, 64 tokens a stream\n"), 0u) << table;
  EXPECT_EQ(std::count(table.begin(), table.end(), '\n'), 5) << table;
  for (const char* row : {"replay, 20 % right        1      1.25    0.50     1.50        110.0     "
                          " 25 %           1.20\n",
                          "replay, 20 % right       16      1.00    1.00     1.00       1000.0     "
                          "  0 %           1.00\n",
                          "prompt lookup             1      2.75    2.75     2.75        120.0     "
                          " 75 %           3.37\n"}) {
    EXPECT_NE(table.find(row), std::string::npos) << row << table;
  }
}

TEST(SpeculationReportTest, JsonSaysWhatTheTableSays) {
  ::testing::internal::CaptureStdout();
  EXPECT_TRUE(PrintSpeculationJson(Report()).ok());
  std::fflush(stdout);
  const auto json = nlohmann::json::parse(::testing::internal::GetCapturedStdout());
  EXPECT_EQ(json["threads"], 3);
  EXPECT_EQ(json["generated"], 64);
  ASSERT_EQ(json["results"].size(), 3u);
  const nlohmann::json& replay = json["results"][0];
  EXPECT_EQ(replay["kind"], "speculation");
  EXPECT_EQ(replay["drafter"], "replay");
  EXPECT_EQ(replay["acceptance"], 0.2);
  EXPECT_EQ(replay["speedup"], 1.25);
  EXPECT_EQ(replay["speedup_min"], 0.5);
  EXPECT_EQ(replay["speedup_max"], 1.5);
  EXPECT_EQ(replay["pairs"], 3);
  EXPECT_EQ(replay["plain_tokens_per_second"], 110);
  EXPECT_EQ(replay["drafted"], 40);
  EXPECT_EQ(replay["accepted"], 10);
  EXPECT_EQ(replay["tokens_per_step"], 1.2);
  EXPECT_EQ(json["results"][1]["batch"], 16);
  EXPECT_EQ(json["results"][2]["drafter"], "lookup");
  EXPECT_TRUE(json["results"][2]["acceptance"].is_null()) << "nobody chose it";
}

TEST(SpeculationChartTest, IsWellFormedWithALineForEachDrafter) {
  const std::string svg = SpeculationChart(Report());
  const std::vector<std::string> elements = ElementsOf(svg);
  ASSERT_FALSE(elements.empty()) << svg;
  EXPECT_EQ(elements.front(), "svg");
  EXPECT_EQ(std::count(elements.begin(), elements.end(), "svg"), 1);
  EXPECT_EQ(std::count(elements.begin(), elements.end(), "polyline"), 2) << svg;
  for (const char* text :
       {">replay, 20 % right</text>", ">prompt lookup</text>", ">16</text>", ">3.0</text>"}) {
    EXPECT_NE(svg.find(text), std::string::npos) << text;
  }
  EXPECT_EQ(svg.find("nan"), std::string::npos);
}

TEST(SpeculationChartTest, PlacesAreThoseOfTheValues) {
  // The scale ends at 3.0 for a highest median of 2.75: 300 pixels from 50 down, streams from 60 to
  // 580.
  const std::string svg = SpeculationChart(Report());
  EXPECT_NE(svg.find("points=\"60.0,225.0 580.0,250.0 \""), std::string::npos) << svg;
  EXPECT_NE(svg.find("points=\"60.0,75.0 \""), std::string::npos) << svg;
}

TEST(SpeculationChartTest, OneNumberOfStreamsAndManyDraftersFit) {
  SpeculationReport report = Report();
  report.results.resize(1);
  for (int64_t acceptance = 1; acceptance < 12; ++acceptance) {
    report.results.push_back(report.results[0]);
    report.results.back().what.acceptance = acceptance;
  }
  EXPECT_FALSE(ElementsOf(SpeculationChart(report)).empty());
}

TEST(SpeculationChartTest, TheTestSeesWhatIsNotWellFormed) {
  EXPECT_FALSE(ElementsOf("<a b=\"1\"><c/>text</a>").empty());
  for (const char* broken : {"<a>", "<a></b>", "<a b=1/>", "<a b=\"1/>", "<a", "</a>"}) {
    EXPECT_TRUE(ElementsOf(broken).empty()) << broken;
  }
}

}  // namespace
}  // namespace llmrt::cli
