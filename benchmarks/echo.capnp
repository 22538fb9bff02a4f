# echo.proto, as Cap'n Proto says it.
@0xd1a5ce41b3f7e862;

using Cxx = import "/capnp/c++.capnp";
$Cxx.namespace("bench::capnp_echo");

interface Echo {
  unary @0 (payload :Data, id :Int64) -> (payload :Data, id :Int64);
}
