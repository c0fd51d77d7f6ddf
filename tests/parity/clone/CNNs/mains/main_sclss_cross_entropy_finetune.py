"""A script of 2018's habits that does what the published one does, to lay beside ours."""

import argparse
import json

import torch
import torch.nn as nn
import torchvision.models as models
import torchvision.transforms as transforms
from lists import Listed
from torch._six import container_abcs
from torch.autograd import Variable
from torch.utils.data import DataLoader

parser = argparse.ArgumentParser()
parser.add_argument("--config_file", required=True)
parser.add_argument("--lr_factor", type=float, default=1.0)


def main():
    args = parser.parse_args()
    with open(args.config_file) as handle:
        config = json.load(handle)
    assert isinstance(config, container_abcs.Mapping) and torch.cuda.is_available()
    model = models.__dict__[config["arch"]](pretrained=True)
    model.fc = nn.Linear(model.fc.in_features, config["num_classes"])
    model = torch.nn.DataParallel(model).cuda()
    held = torch.load(config["resume"])["state_dict"]
    model.load_state_dict({k: v for k, v in held.items() if "fc." not in k}, strict=False)
    normalise = transforms.Normalize([0.485, 0.456, 0.406], [0.229, 0.224, 0.225])
    ends = [transforms.ToTensor(), normalise]
    train_view = [transforms.RandomSizedCrop(224), transforms.RandomHorizontalFlip(), *ends]
    val_view = [transforms.Scale(256), transforms.CenterCrop(224), *ends]
    loaders = [
        DataLoader(
            Listed(config["data_dir"], config[f"{split}_file"], transforms.Compose(view)),
            batch_size=config["batch_size"],
            shuffle=split == "train",
            num_workers=4,
            pin_memory=True,
        )
        for split, view in (("val", val_view), ("train", train_view))
    ]
    criterion = nn.CrossEntropyLoss().cuda()
    optimizer = torch.optim.SGD(
        model.parameters(),
        config["lr"] * args.lr_factor,
        momentum=config["momentum"],
        weight_decay=config["weight_decay"],
    )
    milestones = [int(word) for word in config["lr_schedule"].split(",")]
    scheduler = torch.optim.lr_scheduler.MultiStepLR(optimizer, milestones, gamma=0.1)
    for epoch in range(config["start_epoch"], config["epochs"]):
        scheduler.step()
        model.train()
        for images, target in loaders[1]:
            images, target = Variable(images.cuda(0)), Variable(target.cuda(0))
            output = model(images)
            loss = criterion(output, target)
            _, found = output.topk(5, 1, True, True)
            found.t().eq(target.view(1, -1)).view(-1).float().sum(0)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        model.eval()
        print(epoch, sum(float(criterion(model(x.cuda()), y.cuda())) for x, y in loaders[0]))


if __name__ == "__main__":
    main()
