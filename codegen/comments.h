// The comments that a .proto puts around an element, made safe to print behind "// ".
#ifndef SIDECALL_CODEGEN_COMMENTS_H_
#define SIDECALL_CODEGEN_COMMENTS_H_

#include <google/protobuf/descriptor.h>

#include <string>
#include <vector>

namespace sidecall::codegen {

using CommentBlock = std::vector<std::string>;

struct Comments {
  // Blocks that stand apart, each followed by an empty line.
  std::vector<CommentBlock> detached;
  // The leading comment, then the trailing one. Belongs to the element.
  CommentBlock attached;
};

Comments CommentsFrom(const google::protobuf::SourceLocation& location);

}  // namespace sidecall::codegen

#endif  // SIDECALL_CODEGEN_COMMENTS_H_
