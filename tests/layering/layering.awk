# Include directions, one way only:
#   generated code -> runtime/include -> runtime/core -> runtime/transport (the frame seam) <- transports/<name>
#                                        runtime/core -> runtime/registry -> runtime/transport
# Reads files named relative to the root of the source tree; prints "file:line: what is wrong" for each violation.
# -v transports="inproc shm": the folders of transports/, whose names the runtime must not know.

BEGIN {
  leaf = "^sidecall/(status|peer_identity|polling|log|child_address)\\.h$"  # public headers that the seam and its transports may use
  libraries = "^(absl|google/protobuf)/"
  split(transports, names, " ")
  for (i in names) {
    name = names[i]
    literal = literal (literal == "" ? "" : "|") name
    camel = camel (camel == "" ? "" : "|") toupper(substr(name, 1, 1)) substr(name, 2)
  }
  # "shm", "shm:/path" and "unix-abstract" as literals; ShmTransport, kInproc and IsUnix as identifiers.
  literal = "\"(" literal ")[\":-]"
  identifier = "(^|[^A-Za-z0-9_])(k|Is|Make|Has)?(" camel ")(Transport|Connection|Listener)?([^A-Za-z0-9_]|$)"
}

FNR == 1 { area = AreaOf(FILENAME); in_comment = 0 }

FNR == 1 && area == "unknown" { Report("no rule covers this folder: add one to tests/layering/layering.awk") }

/^[ \t]*#[ \t]*include/ { CheckInclude($0) }

FILENAME ~ /^runtime\// {
  code = WithoutComments($0)
  gsub(/\\"/, "", code)
  if (code ~ literal || code ~ identifier) Report("the runtime must not know a transport by name")
}

function AreaOf(path) {
  own = ""
  if (path ~ /\.sidecall\.(h|cc)$/) return "generated"
  if (path ~ /^runtime\/include\/sidecall\//) return "public"
  if (path ~ /^runtime\/core\//) return "core"
  if (path ~ /^runtime\/registry\//) return "registry"
  if (path ~ /^runtime\/transport\//) return "seam"
  if (path == "transports/register_all.cc") return "registration"
  if (path ~ /^transports\/[^\/]+\//) {
    own = path
    sub(/^transports\//, "", own)
    own = "transports/" substr(own, 1, index(own, "/"))
    return "transport"
  }
  if (path ~ /^codegen\//) return "codegen"
  if (path ~ /^examples\//) return "example"
  if (path ~ /^tools\//) return "tool"
  if (path ~ /^(tests|benchmarks)\//) return "free"
  return "unknown"
}

function CheckInclude(line,    file, quoted) {
  quoted = line ~ /include[ \t]*"/
  file = line
  sub(/^[ \t]*#[ \t]*include[ \t]*/, "", file)
  if (file !~ /^["<]/) return Report("a computed include hides its direction")
  file = substr(file, 2)
  sub(/[">].*$/, "", file)
  if (!quoted) {
    if (file ~ /^(sidecall|core|transport|transports|codegen)\//) Report("<" file "> is ours: include it with quotes")
    return
  }
  if (file ~ /\.\.\//) return Report("\"" file "\" climbs the tree: spell it from an include root")
  if (!Allowed(file)) Report(Where() " must not include \"" file "\"")
}

function Allowed(file) {
  if (area == "free" || area == "unknown") return 1
  if (area == "example") return file !~ /^(core|transport|transports|runtime|sidecall\/internal)\//
  if (file ~ libraries) return 1
  if (area == "tool") return file ~ /^(sidecall|registry)\// || file !~ /\//
  if (area == "generated") return file ~ /^sidecall\// || file ~ /\.(pb|sidecall)\.h$/
  if (area == "codegen") return file ~ /^(codegen\/)?[^\/]+$/ || file ~ /^sidecall\/options\.pb\.h$/
  if (area == "public") return file ~ /^sidecall\//
  if (area == "core") return file ~ /^(sidecall|core|registry|transport)\//
  if (area == "registry" && file ~ /^(registry\/|sidecall\/registration\.pb\.h$)/) return 1
  if (file ~ /^transport\// || file ~ leaf) return 1
  if (area == "registration") return file ~ /^transports\/[^\/]+\//
  return area == "transport" && index(file, own) == 1
}

function Where() {
  if (area == "transport") return "transport " own
  if (area == "public") return "a public header"
  if (area == "seam") return "the frame seam"
  if (area == "core") return "runtime/core"
  if (area == "registry") return "runtime/registry"
  if (area == "generated") return "generated code"
  if (area == "example") return "an example"
  return area
}

function WithoutComments(line,    start, end) {
  if (in_comment) {
    end = index(line, "*/")
    if (end == 0) return ""
    in_comment = 0
    line = substr(line, end + 2)
  }
  sub(/(^|[ \t;{})])\/\/.*$/, "", line)
  start = index(line, "/*")
  if (start > 0) {
    end = index(substr(line, start), "*/")
    if (end == 0) { in_comment = 1; return substr(line, 1, start - 1) }
    line = substr(line, 1, start - 1) substr(line, start + end + 1)
  }
  return line
}

function Report(what) {
  printf "%s:%d: %s\n", FILENAME, FNR, what
  violations++
}

END { exit violations > 0 }
