#include "abi/objects.h"

#include "abi/status.h"
#include "gtest/gtest.h"

namespace llmrt::abi {
namespace {

TEST(ObjectsTest, HandleIsFoundByItsTypeOnly) {
  llmrt_options* handle = nullptr;
  const auto object = std::make_shared<OptionsObject>(LLMRT_OPTIONS_STREAM);
  ASSERT_TRUE(Give(object, nullptr, &handle).ok());
  EXPECT_EQ(Find(handle).value(), object);
  EXPECT_EQ(StatusCode(Find(reinterpret_cast<llmrt_source*>(handle)).status()),
            LLMRT_STATUS_INVALID_HANDLE);
  ReleaseHandle(reinterpret_cast<llmrt_source*>(handle));
  EXPECT_TRUE(Find(handle).ok());
  ReleaseHandle(handle);
  EXPECT_EQ(StatusCode(Find(handle).status()), LLMRT_STATUS_INVALID_HANDLE);
}

TEST(ObjectsTest, UnusedReservationIsGivenBack) {
  const int64_t before = Handles().live();
  {
    Reservation<llmrt_stream> reservation;
    ASSERT_TRUE(reservation.Take().ok());
    EXPECT_EQ(Handles().live(), before + 1);
  }
  EXPECT_EQ(Handles().live(), before);
}

TEST(ObjectsTest, MessagesSayWhatTheHandleIs) {
  const HandleValue session = HandleValue{0x65} << 56 | 1;
  const auto message = [](HandleValue handle) {
    return std::string(NotAHandleOf(HandleType::kEngine, handle).message());
  };
  EXPECT_NE(message(0).find("NULL"), std::string::npos);
  EXPECT_NE(message(session).find("session"), std::string::npos);
  EXPECT_NE(message(HandleValue{0x64} << 56).find("stale"), std::string::npos);
  EXPECT_NE(message(12345).find("0x3039"), std::string::npos);
}

TEST(ObjectsTest, ChildOfAClosedEngineIsTakenBack) {
  EngineObject engine;
  const auto session = std::make_shared<SessionObject>();
  llmrt_session* handle = nullptr;
  ASSERT_TRUE(Give(session, &engine, &handle).ok());
  EXPECT_TRUE(CheckStillOpen(engine, HandleType::kSession, ValueOf(handle)).ok());
  EXPECT_TRUE(Find(handle).ok());
  engine.closed = true;
  EXPECT_EQ(StatusCode(CheckStillOpen(engine, HandleType::kSession, ValueOf(handle))),
            LLMRT_STATUS_INVALID_HANDLE);
  EXPECT_FALSE(Find(handle).ok());
}

}  // namespace
}  // namespace llmrt::abi
