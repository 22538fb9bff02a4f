#include "comments.h"

#include <string_view>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_split.h"

namespace sidecall::codegen {
namespace {

// Length of the Unicode character at `text` that changes the direction of what follows it: compilers warn of
// these
// (-Wbidi-chars), because they make code look other than it is. 0 for any other character.
size_t DirectionMarkLength(std::string_view text) {
  if (text.size() < 3 || text[0] != '\xe2') return 0;
  const bool embedding = text[1] == '\x80' && text[2] >= '\xaa' && text[2] <= '\xae';
  const bool isolate = text[1] == '\x81' && text[2] >= '\xa6' && text[2] <= '\xa9';
  return embedding || isolate ? 3 : 0;
}

std::string SafeLine(std::string_view line) {
  std::string safe;
  for (size_t i = 0; i < line.size(); ++i) {
    if (const size_t mark = DirectionMarkLength(line.substr(i)); mark != 0) {
      i += mark - 1;
      continue;
    }
    const unsigned char byte = static_cast<unsigned char>(line[i]);
    // A lone carriage return ends a line, and so the comment, for some compilers.
    safe += absl::ascii_iscntrl(byte) && line[i] != '\t' ? ' ' : line[i];
  }
  absl::StripTrailingAsciiWhitespace(&safe);
  // A backslash at the end of the line, or the trigraph for it, would carry the comment on into the code
  // below.
  if (absl::EndsWith(safe, "\\") || absl::EndsWith(safe, "?\?/")) safe += " .";
  return safe;
}

CommentBlock BlockFrom(const std::string& text) {
  CommentBlock block;
  const std::vector<std::string> lines = absl::StrSplit(text, '\n');
  for (const std::string& line : lines) {
    std::string safe = SafeLine(line);
    if (!safe.empty() && safe[0] != ' ' && safe[0] != '\t') safe.insert(0, 1, ' ');
    block.push_back(std::move(safe));
  }
  while (!block.empty() && block.back().empty()) block.pop_back();
  while (!block.empty() && block.front().empty()) block.erase(block.begin());
  return block;
}

}  // namespace

Comments CommentsFrom(const google::protobuf::SourceLocation& location) {
  Comments comments;
  for (const std::string& detached : location.leading_detached_comments) {
    CommentBlock block = BlockFrom(detached);
    if (!block.empty()) comments.detached.push_back(std::move(block));
  }
  comments.attached = BlockFrom(location.leading_comments);
  CommentBlock trailing = BlockFrom(location.trailing_comments);
  if (!comments.attached.empty() && !trailing.empty()) comments.attached.emplace_back();
  comments.attached.insert(comments.attached.end(), trailing.begin(), trailing.end());
  return comments;
}

}  // namespace sidecall::codegen
