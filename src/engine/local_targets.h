// What the services ask of targets, answered by going to the targets' executors.
#pragma once

#include "engine/target.h"
#include "pool/targets.h"

namespace varve::engine {

class LocalTargets final : public pool::Targets {
 public:
  explicit LocalTargets(std::vector<std::unique_ptr<Target>>& targets) : targets_(targets) {}

  uint32_t count() const override { return static_cast<uint32_t>(targets_.size()); }
  Result<void> all_there() const override;
  bool persistent() const override { return targets_[0]->persistent(); }
  std::vector<placement::PoolTarget> map() const override;
  Task<Result<void>> create_pool(uint32_t target, Uuid pool, uint64_t bytes) override;
  Task<Result<void>> destroy_pool(uint32_t target, Uuid pool) override;
  Task<Result<void>> create_container(uint32_t target, Uuid pool, Uuid container,
                                      Integrity integrity) override;
  Task<Result<void>> destroy_container(uint32_t target, Uuid pool, Uuid container) override;
  Task<Result<void>> open_handle(uint32_t target, Uuid pool, Uuid container, Uuid handle, bool writable) override;
  Task<Result<void>> close_handles(uint32_t target, std::vector<Uuid> handles) override;
  Task<Result<void>> set_scrub(uint32_t target, Uuid pool, ScrubPolicy policy) override;
  Task<Result<Space>> space(uint32_t target, Uuid pool) override;
  Task<pool::TargetInfo> info(uint32_t target) override;
  Task<Epoch> advance_epoch(uint32_t target, Epoch not_before) override;
  Task<Result<void>> set_policy(uint32_t target, Uuid pool, Policy policy) override;
  Task<Result<void>> aggregate(uint32_t target, Uuid pool, Uuid container, Epoch epoch) override;
  Task<Result<void>> set_snapshots(uint32_t target, Uuid pool, Uuid container,
                                   std::vector<Epoch> epochs, Epoch fresh) override;
  Task<Result<void>> hold_epoch(uint32_t target, Epoch epoch, Duration lease) override;
  Task<Result<void>> rollback(uint32_t target, Uuid pool, Uuid container, Epoch to, Epoch at) override;

 private:
  std::vector<std::unique_ptr<Target>>& targets_;
};

}  // namespace varve::engine
