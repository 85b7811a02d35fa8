#include "speculation_report.h"

#include <algorithm>
#include <cmath>
#include <iterator>
#include <map>

#include "json_output.h"
#include "percentiles.h"
#include "terminal.h"

namespace llmrt::cli {
namespace {

using Json = nlohmann::ordered_json;

double Median(const std::vector<double>& sorted) { return Percentile(sorted, 0.5); }

std::string DrafterName(const SpeculationCase& what) {
  return what.lookup ? "prompt lookup" : "replay, " + std::to_string(what.acceptance) + " % right";
}

double ShareAccepted(const SpeculationResult& result) {
  return static_cast<double>(result.accepted) /
         static_cast<double>(std::max<int64_t>(result.drafted, 1));
}

Json ResultJson(const SpeculationResult& result) {
  Json entry;
  entry["kind"] = "speculation";
  entry["drafter"] = result.what.lookup ? "lookup" : "replay";
  entry["batch"] = result.what.batch;
  entry["acceptance"] =
      result.what.lookup ? Json() : Json(static_cast<double>(result.what.acceptance) / 100);
  entry["speedup"] = Median(result.speedups);
  entry["speedup_min"] = result.speedups.front();
  entry["speedup_max"] = result.speedups.back();
  entry["pairs"] = result.speedups.size();
  entry["plain_tokens_per_second"] = Median(result.plain_rates);
  entry["drafted"] = result.drafted;
  entry["accepted"] = result.accepted;
  entry["tokens_per_step"] = result.tokens_per_step();
  return entry;
}

// The chart's geometry, in pixels, and its scales: streams evenly spaced, ratios from zero up.
constexpr double kLeft = 60, kTop = 50, kWidth = 520, kHeight = 300, kLegend = 190;
constexpr const char* kColours[] = {"#c62828", "#ef6c00", "#9e9d24", "#2e7d32",
                                    "#1565c0", "#6a1b9a", "#455a64"};

std::string Pixel(double value) { return FormatNumber(value, 1); }

std::string TextAt(double x, double y, const char* anchor, const std::string& text) {
  return "<text x=\"" + Pixel(x) + "\" y=\"" + Pixel(y) + "\" text-anchor=\"" + anchor + "\">" +
         text + "</text>\n";
}

std::string LineAt(double y, const char* colour) {
  return "<line x1=\"" + Pixel(kLeft) + "\" x2=\"" + Pixel(kLeft + kWidth) + "\" y1=\"" + Pixel(y) +
         "\" y2=\"" + Pixel(y) + "\" stroke=\"" + colour + "\"/>\n";
}

}  // namespace

Outcome PrintSpeculationTable(const SpeculationReport& report) {
  std::vector<std::vector<std::string>> rows = {{"drafter", "streams", "speed-up", "lowest",
                                                 "highest", "plain tok/s", "accepted",
                                                 "tokens a step"}};
  for (const SpeculationResult& result : report.results) {
    rows.push_back(
        {DrafterName(result.what), std::to_string(result.what.batch),
         FormatNumber(Median(result.speedups), 2), FormatNumber(result.speedups.front(), 2),
         FormatNumber(result.speedups.back(), 2), FormatNumber(Median(result.plain_rates), 1),
         FormatNumber(100 * ShareAccepted(result), 0) + " %",
         FormatNumber(result.tokens_per_step(), 2)});
  }
  return Print(report.model + " on " + report.device + ", " + std::to_string(report.threads) +
               " threads, " + std::to_string(report.generated) + " tokens a stream\n" +
               FormatTable(rows, {false, true, true, true, true, true, true, true}));
}

Outcome PrintSpeculationJson(const SpeculationReport& report) {
  Json object;
  object["model"] = report.model;
  object["device"] = report.device;
  object["threads"] = report.threads;
  object["fingerprint"] = report.fingerprint;
  object["generated"] = report.generated;
  object["results"] = Json::array();
  for (const SpeculationResult& result : report.results) {
    object["results"].push_back(ResultJson(result));
  }
  return PrintJsonLine(object);
}

std::string SpeculationChart(const SpeculationReport& report) {
  std::map<int64_t, double> place_of;  // x, by streams
  std::map<std::string, std::vector<const SpeculationResult*>> lines;
  std::vector<std::string> order;
  double highest = 2;
  for (const SpeculationResult& result : report.results) {
    place_of[result.what.batch] = 0;
    std::vector<const SpeculationResult*>& line = lines[DrafterName(result.what)];
    if (line.empty()) order.push_back(DrafterName(result.what));
    line.push_back(&result);
    highest = std::max(highest, Median(result.speedups));
  }
  highest = std::ceil(highest * 2) / 2;
  const double gaps = static_cast<double>(std::max<size_t>(place_of.size(), 2) - 1);
  double next = 0;
  for (auto& [batch, x] : place_of) x = kLeft + kWidth * next++ / gaps;
  const auto y_of = [&](double ratio) { return kTop + kHeight * (1 - ratio / highest); };

  std::string svg = "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"" +
                    Pixel(kLeft + kWidth + kLegend) + "\" height=\"" + Pixel(kTop + kHeight + 60) +
                    "\" font-family=\"sans-serif\" font-size=\"13\" fill=\"#333\">\n";
  svg += TextAt(kLeft, 24, "start", "Speed-up by speculation");
  for (double ratio = 0; ratio <= highest; ratio += 0.5) {
    svg += LineAt(y_of(ratio), ratio == 1 ? "#333" : "#ddd");
    svg += TextAt(kLeft - 8, y_of(ratio) + 4, "end", FormatNumber(ratio, 1));
  }
  for (const auto& [batch, x] : place_of) {
    svg += TextAt(x, kTop + kHeight + 20, "middle", std::to_string(batch));
  }
  svg += TextAt(kLeft + kWidth / 2, kTop + kHeight + 44, "middle", "streams");
  for (size_t i = 0; i < order.size(); ++i) {
    const std::string colour = kColours[i % std::size(kColours)];
    std::string points, dots;
    for (const SpeculationResult* result : lines[order[i]]) {
      const std::string x = Pixel(place_of[result->what.batch]);
      const std::string y = Pixel(y_of(Median(result->speedups)));
      points += x + "," + y + " ";
      dots += "<circle r=\"3\" cx=\"" + x + "\" cy=\"" + y + "\"/>\n";
    }
    svg += "<polyline fill=\"none\" stroke-width=\"2\" stroke=\"" + colour + "\" points=\"" +
           points + "\"/>\n<g fill=\"" + colour + "\">" + dots +
           TextAt(kLeft + kWidth + 12, kTop + 18 + 20 * static_cast<double>(i), "start", order[i]) +
           "</g>\n";
  }
  return svg + "</svg>\n";
}

}  // namespace llmrt::cli
