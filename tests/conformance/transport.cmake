# The contract of runtime/transport/transport.h, over every registered transport.
include(GoogleTest)
add_executable(transport_contract
  "${CMAKE_CURRENT_LIST_DIR}/transport_child.cc"
  "${CMAKE_CURRENT_LIST_DIR}/transport_contract_test.cc"
  "${CMAKE_CURRENT_LIST_DIR}/transport_end.cc"
  "${CMAKE_CURRENT_LIST_DIR}/transport_fixture.cc"
  "${CMAKE_CURRENT_LIST_DIR}/transport_process_test.cc")
target_include_directories(transport_contract PRIVATE "${PROJECT_SOURCE_DIR}/runtime" "${PROJECT_SOURCE_DIR}")
target_link_libraries(transport_contract PRIVATE sidecall::sidecall sidecall_build_flags GTest::gmock GTest::gtest)
# Of message queues a user has some nine: one program at a time.
gtest_discover_tests(transport_contract TEST_PREFIX "conformance." TEST_FILTER "-*mqueue*" DISCOVERY_MODE PRE_TEST
  DISCOVERY_TIMEOUT 60 PROPERTIES TIMEOUT 120 LABELS conformance)
gtest_discover_tests(transport_contract TEST_PREFIX "conformance." TEST_FILTER "*mqueue*" DISCOVERY_MODE PRE_TEST
  DISCOVERY_TIMEOUT 60 TEST_LIST transport_contract_mqueue
  PROPERTIES TIMEOUT 120 LABELS conformance RESOURCE_LOCK mqueue)
