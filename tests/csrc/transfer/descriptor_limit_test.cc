#include "transfer/descriptor_limit.h"

#include <gtest/gtest.h>
#include <sys/resource.h>

#include <cerrno>
#include <string>

#include "csrc/transfer/few_descriptors.h"

namespace ossmc {
namespace {

TEST(DescriptorLimit, AShortageIsFoundWhereFewerAreFreeThanAskedFor) {
  EXPECT_EQ(find_descriptor_shortage(), 0);
  const FewDescriptors few(3);
  EXPECT_EQ(find_descriptor_shortage(4), EMFILE);
  EXPECT_EQ(find_descriptor_shortage(3), 0) << "what was taken before was given back";
}

TEST(DescriptorLimit, TheErrorNamesTheLimit) {
  rlimit limit{};
  ASSERT_EQ(::getrlimit(RLIMIT_NOFILE, &limit), 0);
  const Status status = descriptor_shortage("I/O thread", EMFILE);
  EXPECT_EQ(status.code(), StatusCode::kConnect);
  EXPECT_EQ(status.message(), "I/O thread: Too many open files: the process may have " +
                                  std::to_string(limit.rlim_cur) +
                                  " descriptors (ulimit -n): raise it, ulimit -n 65536");
  EXPECT_NE(describe_descriptor_shortage(ENFILE).find("fs.file-max"), std::string::npos);
}

}  // namespace
}  // namespace ossmc
