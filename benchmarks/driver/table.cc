#include "table.h"

#include <algorithm>
#include <optional>
#include <string>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "format.h"
#include "system.h"

namespace bench {
namespace {

using Row = std::vector<std::string>;

std::string FormatSpread(const std::optional<Spread>& spread) {
  if (!spread.has_value()) return "-";
  // Hundredths say nothing of a factor of hundreds.
  const int digits = spread->median < 10 ? 2 : spread->median < 100 ? 1 : 0;
  return absl::StrFormat("%.*f (%.*f..%.*f)", digits, spread->median, digits, spread->low, digits,
                         spread->high);
}

Row Header() {
  return {"system",        "p50",     "p99",
          "p99.9",         "max",     "calls/s",
          "switches/call", "x floor", absl::StrCat("x faster than ", std::string(kPeer))};
}

Row RowOf(const Measurement& measurement) {
  Row row = {measurement.system};
  for (const int64_t nanos : {measurement.latency.p50, measurement.latency.p99, measurement.latency.p999,
                              measurement.latency.max}) {
    row.push_back(measurement.samples > 0 ? FormatNanos(nanos) : "-");
  }
  row.push_back(FormatRate(measurement.per_second));
  row.push_back(absl::StrFormat("%.3f", measurement.switches_per_call()));
  row.push_back(FormatSpread(measurement.times_floor));
  row.push_back(FormatSpread(measurement.faster_than_peer));
  return row;
}

// The first column to the left, figures to the right.
void PrintRow(const Row& row, const std::vector<size_t>& widths, std::ostream& out) {
  out << "  " << row[0] << std::string(widths[0] - row[0].size(), ' ');
  for (size_t i = 1; i < row.size(); ++i)
    out << "  " << std::string(widths[i] - row[i].size(), ' ') << row[i];
  out << '\n';
}

}  // namespace

void PrintTable(const std::vector<Measurement>& measurements, std::ostream& out) {
  if (measurements.empty()) return;
  std::vector<Row> rows = {Header()};
  for (const Measurement& measurement : measurements) rows.push_back(RowOf(measurement));
  std::vector<size_t> widths(rows[0].size(), 0);
  for (const Row& row : rows) {
    for (size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], row[i].size());
  }
  out << CaseTitle(measurements[0].which) << ", rounds: " << measurements[0].rounds << "\n";
  for (const Row& row : rows) PrintRow(row, widths, out);
  out << std::endl;
}

}  // namespace bench
