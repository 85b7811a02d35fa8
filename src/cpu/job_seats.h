// Worker seats that a host's job system fills instead of threads of our own. A seat is empty, asked
// for (a job was handed to the host, which runs it soon, late or never), or taken (the job is
// inside). The host calls a job's function once, on any thread.
//
// Jobs may outlive the seats: what a job's context points to stays valid until the job has run, and
// a job that runs after Close does nothing. A job that the host never runs keeps its few bytes.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <vector>

#include "backend/create_backend.h"

namespace llmrt::cpu {

class JobSeats {
 public:
  // `help(seat)` is what a job does, for seats 0 to count - 1, each held by one job at a time.
  static std::unique_ptr<JobSeats> Create(int32_t count, const backend::JobHook& hook,
                                          std::function<void(int32_t)> help);
  ~JobSeats() { Close(); }
  JobSeats(const JobSeats&) = delete;
  JobSeats& operator=(const JobSeats&) = delete;

  int32_t count() const { return static_cast<int32_t>(jobs_.size()); }

  // Asks the host for a job for every empty seat; cheap when there is none. One caller at a time.
  // The host may run the job at once, inside this call. One that refuses, or whose job is over when
  // it has been handed over, is left alone for a while.
  void Fill();

  // Waits for the jobs that are inside, whose `help` must have been told to return; later ones find
  // nothing to do.
  void Close();

 private:
  struct Shared;
  struct Job;

  JobSeats() = default;
  static void RunJob(void* context);
  // False: the host has refused, or the job is over already.
  bool Ask(Job& job);

  backend::JobHook hook_;
  std::shared_ptr<Shared> shared_;
  std::vector<Job*> jobs_;   // by seat
  int32_t refused_for_ = 0;  // Fill calls until the host is asked again
};

}  // namespace llmrt::cpu
